/* SPDX-License-Identifier: MIT */
/*
 * Varlink messages: JSON text to calls and replies, and back. No I/O here.
 *
 * Protocol: https://varlink.org/Method-Call. A message is a JSON object and a
 * NUL byte; the functions below see it without the NUL.
 */
#ifndef CONTROL_MESSAGE_H
#define CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct control_method_def;

/* Deepest nesting of JSON that is read. */
#define CONTROL_MAX_DEPTH 16

/* Longest "interface.Method" that is looked at, bytes. */
#define CONTROL_MAX_METHOD 255

#define CONTROL_ERR_NO_INTERFACE  "org.varlink.service.InterfaceNotFound"
#define CONTROL_ERR_NO_METHOD	  "org.varlink.service.MethodNotFound"
#define CONTROL_ERR_NOT_IMPL	  "org.varlink.service.MethodNotImplemented"
#define CONTROL_ERR_INVALID	  "org.varlink.service.InvalidParameter"
#define CONTROL_ERR_PERMISSION	  "org.varlink.service.PermissionDenied"
#define CONTROL_ERR_EXPECTED_MORE "org.varlink.service.ExpectedMore"

/**
 * struct control_request - a call as it came
 * @root: owns all of it
 * @method: "interface.Method"
 * @parameters: an object; NULL: none were given
 */
struct control_request {
	struct json_object *root;
	const char *method;
	struct json_object *parameters;
	bool more;
	bool oneway;
	bool upgrade;
};

/**
 * control_parse() - read one JSON object, strictly
 * @text: @len bytes
 * @ret_root: to be json_object_put()
 *
 * Return: 0; -EBADMSG: not JSON, not an object, not UTF-8, a NUL inside a
 * string, or anything after it; -E2BIG: nested deeper than CONTROL_MAX_DEPTH;
 * -ENOMEM.
 */
int control_parse(const char *text, size_t len, struct json_object **ret_root);

/**
 * control_parse_request() - read a call
 *
 * Return: 0; as control_parse(); -EBADMSG also for an object that is no call.
 */
int control_parse_request(const char *text, size_t len,
			  struct control_request *ret_request);
void control_request_release(struct control_request *request);

/**
 * control_check_inputs() - do parameters fit a method's definition?
 * @parameters: may be NULL
 *
 * Return: NULL if they do, else the name of the one that is missing, unknown
 * or of another type; valid as long as the arguments.
 */
const char *control_check_inputs(const struct control_method_def *def,
				 struct json_object *parameters);

/* How many replies a call gets: one, a stream, or none. */
enum control_replies { CONTROL_ONE, CONTROL_MORE, CONTROL_ONEWAY };

/**
 * control_format_call() - the text of a call
 * @parameters: stays the caller's; NULL: none
 * @ret_text: to be freed; a NUL ends it, as it must travel
 * @ret_len: bytes, NUL included
 *
 * Any thread, as for the others. Return: 0; -ENOMEM.
 */
int control_format_call(const char *method, struct json_object *parameters,
			enum control_replies replies, char **ret_text,
			size_t *ret_len);

/**
 * control_format_reply() - the text of a reply
 * @parameters: stays the caller's; NULL: {}
 * @error: name of an error, or NULL
 * @continues: more replies to this call follow
 */
int control_format_reply(struct json_object *parameters, const char *error,
			 bool continues, char **ret_text, size_t *ret_len);

#endif
