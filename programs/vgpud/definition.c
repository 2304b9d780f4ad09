/* SPDX-License-Identifier: MIT */
#include "definition.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>
#include <vgpu/parent.h>

#include "control/json.h"
#include "control/message.h"
#include "registry.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

static const char *const policies[] = {
	[POLICY_RESTART] = "restart",
	[POLICY_STOP] = "stop",
	[POLICY_FAIL] = "fail",
};

const char *policy_name(enum policy policy)
{
	return policies[policy];
}

int policy_parse(const char *name, enum policy *ret_policy)
{
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i], name)) {
			*ret_policy = (enum policy)i;
			return 0;
		}
	return -EINVAL;
}

int uuid_canonical(const char *text, char ret_uuid[37])
{
	uuid_t uuid;

	if (uuid_parse(text, uuid) < 0)
		return -EINVAL;
	uuid_unparse_lower(uuid, ret_uuid);
	return 0;
}

bool label_is_valid(const char *label)
{
	size_t len = strlen(label);
	cleanup_free char *copy = text_to_utf8(label);

	if (!copy || !len || len > DEFINITION_LABEL_MAX)
		return false;
	text_make_printable(copy);
	if (strcmp(copy, label))
		return false;
	/* Four hexadecimal digits are a name already. */
	if (len < 4)
		return true;
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)label[i]) && label[i] != '-')
			return true;
	return false;
}

char *definition_format(const struct definition *d)
{
	struct json_object *obj = json_object_new_object();
	const char *text;
	char *out = NULL;

	json_set_string(&obj, "uuid", d->uuid);
	json_set_string(&obj, "type", d->type);
	json_set_string(&obj, "parent", d->parent);
	json_set_string(&obj, "label", *d->label ? d->label : NULL);
	json_set_bool(&obj, "autostart", d->autostart);
	json_set_string(&obj, "policy", policy_name(d->policy));
	if (d->weight)
		json_set_uint(&obj, "weight", d->weight);
	if (d->cap)
		json_set_uint(&obj, "cap", d->cap);
	if (!obj)
		return NULL;
	text = json_object_to_json_string_ext(
		obj,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text || asprintf(&out, "%s\n", text) < 0)
		out = NULL;
	json_object_put(obj);
	return out;
}

/* ---- reading -------------------------------------------------------- */

struct source {
	const char *path, *text;
	size_t len;
	char **problem;
};

static unsigned line_of(const struct source *s, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset && i < s->len; i++)
		line += s->text[i] == '\n';
	return line;
}

__attribute__((format(printf, 3, 4))) static int
wrong(const struct source *s, size_t offset, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	text_make_printable(what);
	if (asprintf(s->problem, "%s:%u: %s", s->path, line_of(s, offset),
		     what) < 0)
		return -ENOMEM;
	return -EBADMSG;
}

/* Where the key stands, for the line's number; 0 where it doesn't. */
static size_t offset_of(const struct source *s, const char *key)
{
	char quoted[80];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = memmem(s->text, s->len, quoted, strlen(quoted));
	return at ? (size_t)(at - s->text) : 0;
}

static int get_string(const struct source *s, struct json_object *obj,
		      const char *key, char *buf, size_t size)
{
	const char *v = json_get_string(obj, key, NULL);

	if (!v)
		return wrong(s, offset_of(s, key), "'%s' must be a string",
			     key);
	if (!*v || strlen(v) >= size)
		return wrong(s, offset_of(s, key), "'%s': '%s' can't be", key,
			     v);
	memcpy(buf, v, strlen(v) + 1);
	return 0;
}

/* From 1 to @max; 0 where it isn't there. */
static int get_number(const struct source *s, struct json_object *obj,
		      const char *key, unsigned max, unsigned *ret_value)
{
	struct json_object *v = json_member(obj, key);
	int64_t n = json_get_int(obj, key, 0);

	if (v && (!json_object_is_type(v, json_type_int) || n < 1 || n > max))
		return wrong(s, offset_of(s, key),
			     "'%s' must be a number from 1 to %u", key, max);
	*ret_value = (unsigned)n;
	return 0;
}

static int read_members(const struct source *s, struct json_object *obj,
			const char *uuid, struct definition *d)
{
	static const char *const known[] = { "uuid",  "type",	   "parent",
					     "label", "autostart", "policy",
					     "weight", "cap" };
	struct json_object *v;
	char text[64];
	int err;

	json_object_object_foreach(obj, key, value)
	{
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= !strcmp(known[i], key);
		if (!found)
			return wrong(s, offset_of(s, key),
				     "there is no member '%s'", key);
	}
	err = get_string(s, obj, "uuid", text, sizeof(text));
	if (!err && (uuid_canonical(text, d->uuid) || strcmp(d->uuid, uuid)))
		err = wrong(s, offset_of(s, "uuid"),
			    "'uuid' is not that of the file's name");
	if (!err)
		err = get_string(s, obj, "type", d->type, sizeof(d->type));
	if (!err)
		err = get_string(s, obj, "parent", d->parent,
				 sizeof(d->parent));
	if (err)
		return err;
	if (!parent_name_is_valid(d->parent))
		return wrong(s, offset_of(s, "parent"),
			     "'parent': no parent can have that name");
	v = json_member(obj, "label");
	if (v) {
		err = get_string(s, obj, "label", d->label, sizeof(d->label));
		if (!err && !label_is_valid(d->label))
			err = wrong(s, offset_of(s, "label"),
				    "'label': not a label that can be");
		if (err)
			return err;
	}
	v = json_member(obj, "autostart");
	if (v && !json_object_is_type(v, json_type_boolean))
		return wrong(s, offset_of(s, "autostart"),
			     "'autostart' must be true or false");
	d->autostart = v && json_object_get_boolean(v);
	if (json_member(obj, "policy")) {
		err = get_string(s, obj, "policy", text, sizeof(text));
		if (err)
			return err;
		if (policy_parse(text, &d->policy))
			return wrong(s, offset_of(s, "policy"),
				     "'policy' must be restart, stop or fail");
	}
	err = get_number(s, obj, "weight", VGPU_WEIGHT_MAX, &d->weight);
	return err ? err : get_number(s, obj, "cap", 100, &d->cap);
}

int definition_parse(const char *path, const char *uuid, const char *text,
		     size_t len, struct definition *ret_definition,
		     char **ret_problem)
{
	const struct source s = { path, text, len, ret_problem };
	struct json_tokener *tok = json_tokener_new_ex(CONTROL_MAX_DEPTH);
	struct definition d = { .policy = POLICY_RESTART };
	enum json_tokener_error jerr;
	struct json_object *obj;
	size_t end;
	int err;

	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	jerr = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	while (jerr == json_tokener_success && end < len &&
	       isspace((unsigned char)text[end]))
		end++;
	if (jerr != json_tokener_success)
		err = wrong(&s, end, "not JSON: %s",
			    jerr == json_tokener_continue
				    ? "the end is missing"
				    : json_tokener_error_desc(jerr));
	else if (end != len)
		err = wrong(&s, end, "there is something after the end");
	else if (!json_object_is_type(obj, json_type_object))
		err = wrong(&s, 0, "not a JSON object");
	else
		err = read_members(&s, obj, uuid, &d);
	json_object_put(obj);
	if (!err)
		*ret_definition = d;
	return err;
}
