/* SPDX-License-Identifier: MIT */
/*
 * Interface definitions as the program carries them. They are made from the
 * .varlink files of this folder by scripts/varlink-to-c.
 */
#ifndef CONTROL_INTERFACE_H
#define CONTROL_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>

/* Kinds of values, as far as a call's parameters are checked before a handler
 * sees them: enums are strings, structs and maps are objects. */
enum control_kind {
	CONTROL_BOOL,
	CONTROL_INT,
	CONTROL_FLOAT,
	CONTROL_STRING,
	CONTROL_ARRAY,
	CONTROL_OBJECT,
};

/**
 * struct control_field - an input of a method
 * @optional: may be missing or null
 */
struct control_field {
	const char *name;
	enum control_kind kind;
	bool optional;
};

struct control_method_def {
	const char *name;
	const struct control_field *inputs;
	size_t n_inputs;
};

/**
 * struct control_interface_def - an interface
 * @name: reversed domain name
 * @text: the definition, word for word
 */
struct control_interface_def {
	const char *name;
	const char *text;
	const struct control_method_def *methods;
	size_t n_methods;
};

extern const struct control_interface_def control_def_org_varlink_service;
extern const struct control_interface_def control_def_io_vgpud_Device;
extern const struct control_interface_def control_def_io_vgpud_Manager;
extern const struct control_interface_def control_def_io_vgpud_Parent;

#endif
