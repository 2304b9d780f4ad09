/* SPDX-License-Identifier: MIT */
#include "version.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/text.h"
#include "encode.h"

void vfio_user_default_caps(struct vfio_user_caps *ret_caps)
{
	*ret_caps = (struct vfio_user_caps){
		.major = VFIO_USER_MAJOR,
		.minor = VFIO_USER_MINOR,
		.max_msg_fds = VFIO_USER_DEFAULT_MAX_MSG_FDS,
		.max_dma_maps = VFIO_USER_DEFAULT_MAX_DMA_MAPS,
		.max_data_xfer_size = VFIO_USER_DEFAULT_MAX_DATA_XFER,
		.pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	};
}

/* A whole, non-negative number; what is beyond @max counts as @max. Numbers
 * are one type in JSON, so 4096.0 and 4.096e3 are 4096. */
static int number(struct json_object *obj, uint64_t max, uint64_t *ret_value)
{
	uint64_t v;

	if (json_object_is_type(obj, json_type_int)) {
		/* json-c cuts what 64 bits can't hold to their ends. */
		if (json_object_get_int64(obj) < 0)
			return -EINVAL;
		v = json_object_get_uint64(obj);
	} else if (json_object_is_type(obj, json_type_double)) {
		double d = json_object_get_double(obj);

		/* json-c lets NaN and Infinity through. */
		if (!(d >= 0 && d <= DBL_MAX))
			return -EINVAL;
		if (d >= 0x1p64) {
			v = UINT64_MAX;
		} else {
			v = (uint64_t)d;
			if ((double)v != d)
				return -EINVAL;
		}
	} else {
		return -EINVAL;
	}
	*ret_value = MIN(v, max);
	return 0;
}

static int boolean(struct json_object *obj, bool *ret_value)
{
	if (!json_object_is_type(obj, json_type_boolean))
		return -EINVAL;
	*ret_value = json_object_get_boolean(obj);
	return 0;
}

static int twin_socket(struct json_object *obj, struct vfio_user_caps *caps)
{
	struct json_object *supported;

	if (!json_object_is_type(obj, json_type_object))
		return -EINVAL;
	caps->twin_socket = false;
	if (!json_object_object_get_ex(obj, "supported", &supported))
		return 0;
	return boolean(supported, &caps->twin_socket);
}

/* Return: VFIO_USER_KEY_*, 0 for an unknown key, or -EINVAL. */
static int capability(const char *key, struct json_object *obj,
		      struct vfio_user_caps *caps)
{
	uint64_t v = 0;
	int err;

	if (!strcmp(key, "max_msg_fds")) {
		err = number(obj, UINT32_MAX, &v);
		caps->max_msg_fds = (uint32_t)v;
		return err ? err : (int)VFIO_USER_KEY_MAX_MSG_FDS;
	}
	if (!strcmp(key, "max_data_xfer_size")) {
		err = number(obj, UINT64_MAX, &caps->max_data_xfer_size);
		if (!err && !caps->max_data_xfer_size)
			err = -EINVAL;
		return err ? err : (int)VFIO_USER_KEY_MAX_DATA_XFER_SIZE;
	}
	if (!strcmp(key, "max_dma_maps")) {
		err = number(obj, UINT32_MAX, &v);
		caps->max_dma_maps = (uint32_t)v;
		return err ? err : (int)VFIO_USER_KEY_MAX_DMA_MAPS;
	}
	if (!strcmp(key, "pgsizes")) {
		err = number(obj, UINT64_MAX, &caps->pgsizes);
		if (!err && !caps->pgsizes)
			err = -EINVAL;
		return err ? err : (int)VFIO_USER_KEY_PGSIZES;
	}
	if (!strcmp(key, "twin_socket")) {
		err = twin_socket(obj, caps);
		return err ? err : (int)VFIO_USER_KEY_TWIN_SOCKET;
	}
	if (!strcmp(key, "write_multiple")) {
		err = boolean(obj, &caps->write_multiple);
		return err ? err : (int)VFIO_USER_KEY_WRITE_MULTIPLE;
	}
	return 0;
}

static int capabilities(struct json_object *root, struct vfio_user_caps *caps)
{
	struct json_object_iterator it, end;
	struct json_object *obj;
	int key;

	if (!json_object_is_type(root, json_type_object))
		return -EINVAL;
	if (!json_object_object_get_ex(root, "capabilities", &obj))
		return 0;
	if (!json_object_is_type(obj, json_type_object))
		return -EINVAL;
	it = json_object_iter_begin(obj);
	end = json_object_iter_end(obj);
	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		key = capability(json_object_iter_peek_name(&it),
				 json_object_iter_peek_value(&it), caps);
		if (key < 0)
			return key;
		caps->named |= (uint32_t)key;
	}
	return 0;
}

static int version_data(const char *text, size_t len,
			struct vfio_user_caps *caps)
{
	cleanup_free char *ascii = NULL;
	struct json_tokener *tok;
	struct json_object *root;
	int err;

	if (len > VFIO_USER_MAX_VERSION_JSON || strnlen(text, len) != len - 1)
		return -EINVAL;
	err = text_json_to_ascii(text, len - 1, &ascii, &len);
	if (err)
		return err == -EILSEQ ? -EINVAL : err;
	tok = json_tokener_new_ex(VFIO_USER_MAX_JSON_DEPTH);
	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* With its NUL the text is complete: "12" alone might go on. */
	root = json_tokener_parse_ex(tok, ascii, (int)len + 1);
	err = json_tokener_get_error(tok) == json_tokener_success ?
		      capabilities(root, caps) :
		      -EINVAL;
	json_object_put(root);
	json_tokener_free(tok);
	return err;
}

int vfio_user_decode_version(const void *payload, size_t len,
			     struct vfio_user_caps *ret_caps)
{
	const uint8_t *p = payload;
	struct vfio_user_caps caps;
	int err;

	if (len < sizeof(struct vfio_user_version))
		return -EINVAL;
	vfio_user_default_caps(&caps);
	caps.major = get_le16(p);
	caps.minor = get_le16(p + 2);
	if (caps.major != VFIO_USER_MAJOR)
		return -EPROTONOSUPPORT;
	if (len > sizeof(struct vfio_user_version)) {
		caps.named = VFIO_USER_KEY_JSON;
		err = version_data((const char *)p + 4, len - 4, &caps);
		if (err)
			return err;
	}
	*ret_caps = caps;
	return 0;
}

int vfio_user_negotiate(const struct vfio_user_caps *ours,
			const struct vfio_user_caps *client,
			struct vfio_user_caps *ret_agreed)
{
	uint64_t pgsizes = ours->pgsizes & client->pgsizes;
	uint32_t fds = MAX(client->max_msg_fds, VFIO_USER_QUIRK_MSG_FDS);

	if (!pgsizes)
		return -EINVAL;
	*ret_agreed = (struct vfio_user_caps){
		.major = ours->major,
		.minor = MIN(ours->minor, client->minor),
		.named = client->named,
		.max_msg_fds = MIN(ours->max_msg_fds, fds),
		.max_dma_maps = MIN(ours->max_dma_maps, client->max_dma_maps),
		.max_data_xfer_size = MIN(ours->max_data_xfer_size,
					  client->max_data_xfer_size),
		.pgsizes = pgsizes,
		.write_multiple = ours->write_multiple &&
				  client->write_multiple,
		.twin_socket = ours->twin_socket && client->twin_socket,
	};
	return 0;
}

/* Text that grows in a buffer; an overflow is found at the end. */
struct text {
	char buf[VFIO_USER_QEMU_VERSION_MAX];
	size_t len;
	bool overflow;
};

static void add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->buf) - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		t->overflow = true;
	else
		t->len += (size_t)n;
}

static void add_capabilities(struct text *t, const struct vfio_user_caps *caps,
			     int twin_fd_index)
{
	size_t start;

	add(t, "{\"capabilities\":{");
	start = t->len;
	if (caps->named & VFIO_USER_KEY_MAX_MSG_FDS)
		add(t, "\"max_msg_fds\":%" PRIu32 ",", caps->max_msg_fds);
	if (caps->named & VFIO_USER_KEY_MAX_DATA_XFER_SIZE)
		add(t, "\"max_data_xfer_size\":%" PRIu64 ",",
		    caps->max_data_xfer_size);
	if (caps->named & VFIO_USER_KEY_MAX_DMA_MAPS)
		add(t, "\"max_dma_maps\":%" PRIu32 ",", caps->max_dma_maps);
	if (caps->named & VFIO_USER_KEY_PGSIZES)
		add(t, "\"pgsizes\":%" PRIu64 ",", caps->pgsizes);
	if (caps->named & VFIO_USER_KEY_WRITE_MULTIPLE)
		add(t, "\"write_multiple\":%s,",
		    caps->write_multiple ? "true" : "false");
	if (caps->twin_socket && twin_fd_index >= 0)
		add(t, "\"twin_socket\":{\"supported\":true,\"fd_index\":%d},",
		    twin_fd_index);
	if (t->len > start) /* the last comma */
		t->len--;
	add(t, "}}");
}

int vfio_user_encode_version(void *buf, size_t cap,
			     const struct vfio_user_header *req,
			     const struct vfio_user_caps *caps,
			     const struct vfio_user_caps *client,
			     int twin_fd_index)
{
	struct vfio_user_caps agreed;
	struct text t = { .len = 0 };
	uint8_t *p = buf;
	size_t json = 0;
	int size, err;

	err = vfio_user_negotiate(caps, client, &agreed);
	if (err)
		return err;
	if (agreed.named & VFIO_USER_KEY_JSON) {
		add_capabilities(&t, &agreed, twin_fd_index);
		if (t.overflow)
			return -ENOBUFS;
		json = t.len + 1;
	}
	size = vfio_user_encode_header(buf, cap, req, (uint32_t)(4 + json));
	if (size < 0)
		return size;
	p += sizeof(struct vfio_user_header);
	put_le16(p, agreed.major);
	put_le16(p + 2, agreed.minor);
	memcpy(p + 4, t.buf, json);
	return size;
}

bool vfio_user_ignores_errors(const struct vfio_user_caps *client)
{
	/* How to know rust-vmm: protocol 0.1, and one fd a message. */
	return client->minor >= 1 &&
	       (client->named & VFIO_USER_KEY_MAX_MSG_FDS) &&
	       client->max_msg_fds == 1;
}
