/* SPDX-License-Identifier: MIT */
/*
 * Building and reading JSON objects without a check after each step.
 *
 * The setters take a pointer to the object's pointer. When memory runs out
 * they drop the object and leave NULL there, which later calls pass through,
 * so that one check at the end is enough.
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* @key is copied. @value is taken; NULL stands
 * for one that could not be made. */
void json_set(struct json_object **obj, const char *key,
	      struct json_object *value);
void json_set_null(struct json_object **obj, const char *key);
void json_set_bool(struct json_object **obj, const char *key, bool value);
void json_set_uint(struct json_object **obj, const char *key, uint64_t value);

/* Bytes that are not UTF-8 become U+FFFD: a path may hold any. NULL: null. */
void json_set_string(struct json_object **obj, const char *key,
		     const char *value);

/* Takes @value, as json_set() does. */
void json_append(struct json_object **array, struct json_object *value);

/* A string, made as json_set_string() does. */
struct json_object *json_new_string(const char *value);

/* What a reply says, with a fallback where it is missing or another type.
 * @obj may be NULL. */
const char *json_get_string(struct json_object *obj, const char *key,
			    const char *fallback);
int64_t json_get_int(struct json_object *obj, const char *key,
		     int64_t fallback);
bool json_get_bool(struct json_object *obj, const char *key, bool fallback);
struct json_object *json_member(struct json_object *obj, const char *key);

/* Elements of the array that is member @key; 0 where it is none. */
size_t json_array_len(struct json_object *obj, const char *key);
struct json_object *json_array_at(struct json_object *obj, const char *key,
				  size_t index);

#endif
