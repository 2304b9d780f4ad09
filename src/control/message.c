/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../util/cleanup.h"
#include "../util/text.h"
#include "interface.h"

/* Handlers take strings as C strings: one that holds a NUL would be cut. */
static bool has_nul(struct json_object *obj)
{
	switch (json_object_get_type(obj)) {
	case json_type_string:
		return strlen(json_object_get_string(obj)) !=
		       (size_t)json_object_get_string_len(obj);
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(obj); i++)
			if (has_nul(json_object_array_get_idx(obj, i)))
				return true;
		return false;
	case json_type_object: {
		json_object_object_foreach(obj, key, value)
		{
			(void)key;
			if (has_nul(value))
				return true;
		}
		return false;
	}
	default:
		return false;
	}
}

int control_parse(const char *text, size_t len, struct json_object **ret_root)
{
	cleanup_free char *ascii = NULL;
	struct json_tokener *tok;
	struct json_object *root;
	enum json_tokener_error jerr;
	size_t end;
	int err;

	if (len > INT_MAX / 6)
		return -E2BIG;
	err = text_json_to_ascii(text, len, &ascii, &len);
	if (err)
		return err == -EILSEQ ? -EBADMSG : err;
	tok = json_tokener_new_ex(CONTROL_MAX_DEPTH);
	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(tok, ascii, (int)len);
	jerr = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);

	if (jerr == json_tokener_error_depth)
		err = -E2BIG;
	else if (jerr != json_tokener_success)
		err = -EBADMSG;
	for (; !err && end < len; end++)
		if (!memchr(" \t\r\n", ascii[end], 4))
			err = -EBADMSG;
	if (!err &&
	    (!json_object_is_type(root, json_type_object) || has_nul(root)))
		err = -EBADMSG;
	if (err) {
		json_object_put(root);
		return err;
	}
	*ret_root = root;
	return 0;
}

/* A flag of a call: missing is false. */
static int get_flag(struct json_object *root, const char *name, bool *ret_flag)
{
	struct json_object *obj;

	if (!json_object_object_get_ex(root, name, &obj) || !obj) {
		*ret_flag = false;
		return 0;
	}
	if (!json_object_is_type(obj, json_type_boolean))
		return -EBADMSG;
	*ret_flag = json_object_get_boolean(obj);
	return 0;
}

int control_parse_request(const char *text, size_t len,
			  struct control_request *ret_request)
{
	struct control_request req = { 0 };
	struct json_object *obj;
	int err;

	err = control_parse(text, len, &req.root);
	if (err)
		return err;
	err = -EBADMSG;
	if (!json_object_object_get_ex(req.root, "method", &obj) ||
	    !json_object_is_type(obj, json_type_string) ||
	    json_object_get_string_len(obj) > CONTROL_MAX_METHOD)
		goto fail;
	req.method = json_object_get_string(obj);
	if (json_object_object_get_ex(req.root, "parameters",
				      &req.parameters) &&
	    req.parameters &&
	    !json_object_is_type(req.parameters, json_type_object))
		goto fail;
	if (get_flag(req.root, "more", &req.more) ||
	    get_flag(req.root, "oneway", &req.oneway) ||
	    get_flag(req.root, "upgrade", &req.upgrade))
		goto fail;
	if (req.oneway && (req.more || req.upgrade))
		goto fail;
	*ret_request = req;
	return 0;
fail:
	json_object_put(req.root);
	return err;
}

void control_request_release(struct control_request *request)
{
	json_object_put(request->root);
	*request = (struct control_request){ 0 };
}

static bool is_of_kind(struct json_object *value, enum control_kind kind)
{
	static const json_type types[] = {
		[CONTROL_BOOL] = json_type_boolean,
		[CONTROL_INT] = json_type_int,
		[CONTROL_FLOAT] = json_type_double,
		[CONTROL_STRING] = json_type_string,
		[CONTROL_ARRAY] = json_type_array,
		[CONTROL_OBJECT] = json_type_object,
	};
	json_type type = json_object_get_type(value);

	/* 1 is a float, too */
	if (kind == CONTROL_FLOAT && type == json_type_int)
		return true;
	return type == types[kind];
}

static const struct control_field *
find_input(const struct control_method_def *def, const char *name)
{
	for (size_t i = 0; i < def->n_inputs; i++)
		if (!strcmp(def->inputs[i].name, name))
			return &def->inputs[i];
	return NULL;
}

const char *control_check_inputs(const struct control_method_def *def,
				 struct json_object *parameters)
{
	struct json_object *value;

	for (size_t i = 0; i < def->n_inputs; i++) {
		const struct control_field *in = &def->inputs[i];

		if (!json_object_object_get_ex(parameters, in->name, &value) ||
		    !value) {
			if (!in->optional)
				return in->name;
			continue;
		}
		if (!is_of_kind(value, in->kind))
			return in->name;
	}
	if (!parameters)
		return NULL;
	json_object_object_foreach(parameters, key, unused)
	{
		(void)unused;
		if (!find_input(def, key))
			return key;
	}
	return NULL;
}

/* Takes @root. */
static int to_text(struct json_object *root, char **ret_text, size_t *ret_len)
{
	size_t len;
	const char *s = json_object_to_json_string_length(
		root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&len);
	char *text = s ? malloc(len + 1) : NULL;

	if (text)
		memcpy(text, s, len + 1);
	json_object_put(root);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	*ret_len = len + 1;
	return 0;
}

/* Takes @value, also on failure. */
static int add(struct json_object *root, const char *key,
	       struct json_object *value)
{
	if (value && !json_object_object_add(root, key, value))
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

int control_format_call(const char *method, struct json_object *parameters,
			enum control_replies replies, char **ret_text,
			size_t *ret_len)
{
	static const char *const modes[] = { NULL, "more", "oneway" };
	struct json_object *root = json_object_new_object();

	if (!root)
		return -ENOMEM;
	if (add(root, "method", json_object_new_string(method)) ||
	    (parameters &&
	     add(root, "parameters", json_object_get(parameters))) ||
	    (modes[replies] &&
	     add(root, modes[replies], json_object_new_boolean(true)))) {
		json_object_put(root);
		return -ENOMEM;
	}
	return to_text(root, ret_text, ret_len);
}

int control_format_reply(struct json_object *parameters, const char *error,
			 bool continues, char **ret_text, size_t *ret_len)
{
	struct json_object *root = json_object_new_object();

	if (!root)
		return -ENOMEM;
	if ((error && add(root, "error", json_object_new_string(error))) ||
	    add(root, "parameters",
		parameters ? json_object_get(parameters)
			   : json_object_new_object()) ||
	    (continues &&
	     add(root, "continues", json_object_new_boolean(true)))) {
		json_object_put(root);
		return -ENOMEM;
	}
	return to_text(root, ret_text, ret_len);
}
