/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "../util/cleanup.h"
#include "../util/text.h"

static void drop(struct json_object **obj)
{
	json_object_put(*obj);
	*obj = NULL;
}

void json_set(struct json_object **obj, const char *key,
	      struct json_object *value)
{
	if (*obj && value && !json_object_object_add(*obj, key, value))
		return;
	json_object_put(value);
	drop(obj);
}

void json_set_null(struct json_object **obj, const char *key)
{
	if (*obj && json_object_object_add(*obj, key, NULL))
		drop(obj);
}

void json_set_bool(struct json_object **obj, const char *key, bool value)
{
	json_set(obj, key, json_object_new_boolean(value));
}

void json_set_uint(struct json_object **obj, const char *key, uint64_t value)
{
	json_set(obj, key, json_object_new_uint64(value));
}

struct json_object *json_new_string(const char *value)
{
	cleanup_free char *clean = text_to_utf8(value);

	return clean ? json_object_new_string(clean) : NULL;
}

void json_set_string(struct json_object **obj, const char *key,
		     const char *value)
{
	if (value)
		json_set(obj, key, json_new_string(value));
	else
		json_set_null(obj, key);
}

void json_append(struct json_object **array, struct json_object *value)
{
	if (*array && value && !json_object_array_add(*array, value))
		return;
	json_object_put(value);
	drop(array);
}

struct json_object *json_member(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (json_object_is_type(obj, json_type_object) &&
	    json_object_object_get_ex(obj, key, &value))
		return value;
	return NULL;
}

const char *json_get_string(struct json_object *obj, const char *key,
			    const char *fallback)
{
	struct json_object *value = json_member(obj, key);

	return json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : fallback;
}

int64_t json_get_int(struct json_object *obj, const char *key, int64_t fallback)
{
	struct json_object *value = json_member(obj, key);

	return json_object_is_type(value, json_type_int)
		       ? json_object_get_int64(value)
		       : fallback;
}

bool json_get_bool(struct json_object *obj, const char *key, bool fallback)
{
	struct json_object *value = json_member(obj, key);

	return json_object_is_type(value, json_type_boolean)
		       ? json_object_get_boolean(value)
		       : fallback;
}

size_t json_array_len(struct json_object *obj, const char *key)
{
	struct json_object *value = json_member(obj, key);

	return json_object_is_type(value, json_type_array)
		       ? json_object_array_length(value)
		       : 0;
}

struct json_object *json_array_at(struct json_object *obj, const char *key,
				  size_t index)
{
	if (index >= json_array_len(obj, key))
		return NULL;
	return json_object_array_get_idx(json_member(obj, key), index);
}
