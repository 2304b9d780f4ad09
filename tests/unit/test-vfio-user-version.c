/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "util/bytes.h"
#include "vfio-user/encode.h"
#include "vfio-user-build.h"

static const struct vfio_user_caps server = {
	.major = 0,
	.minor = 1,
	.max_msg_fds = 253,
	.max_dma_maps = 65535,
	.max_data_xfer_size = 1048576,
	.pgsizes = 4096,
	.write_multiple = true,
	.twin_socket = true,
};

static struct build b;

/* Decode a payload of @len bytes at @text behind the version's numbers. */
static int parse(unsigned minor, const void *text, size_t len,
		 struct vfio_user_caps *caps)
{
	const void *p;
	void *mem;
	int err;

	start(&b, VFIO_USER_VERSION);
	put(&b, 0, 2);
	put(&b, minor, 2);
	put_bytes(&b, text, len);
	p = exact(&b, &mem);
	err = vfio_user_decode_version((const uint8_t *)p + 16, b.len - 16,
				       caps);
	free(mem);
	return err;
}

static int parse_str(const char *json, struct vfio_user_caps *caps)
{
	return parse(0, json, strlen(json) + 1, caps);
}

/* The capabilities object alone */
static int parse_caps(const char *inner, struct vfio_user_caps *caps)
{
	char text[8192];

	snprintf(text, sizeof(text), "{\"capabilities\":{%s}}", inner);
	return parse_str(text, caps);
}

static const char *reply(const struct vfio_user_caps *client, int twin)
{
	static const struct vfio_user_header req = {
		.id = 9, .command = VFIO_USER_VERSION, .size = 20
	};
	static uint8_t buf[512];
	int size;

	memset(buf, 0xee, sizeof(buf));
	size = vfio_user_encode_version(buf, sizeof(buf), &req, &server, client,
					twin);
	assert_in_range(size, 20, 20 + VFIO_USER_QEMU_VERSION_MAX);
	assert_int_equal(peek(buf, 0, 2), 9);
	assert_int_equal(peek(buf, 2, 2), VFIO_USER_VERSION);
	assert_int_equal(peek(buf, 4, 4), size);
	assert_int_equal(peek(buf, 8, 4), VFIO_USER_TYPE_REPLY);
	assert_int_equal(peek(buf, 12, 4), 0);
	assert_int_equal(peek(buf, 16, 2), 0);
	assert_int_equal(peek(buf, 18, 2), MIN(client->minor, 1));
	if (size == 20)
		return NULL;
	assert_int_equal(strlen((char *)buf + 20), size - 21);
	return (char *)buf + 20;
}

/* As QEMU 11.1.3 sends it, spaces and all. */
static const char qemu[] =
	"{\"capabilities\": {\"pgsizes\": 4096, \"max_msg_fds\": 16, "
	"\"max_dma_maps\": 65535, \"max_data_xfer_size\": 1048576, "
	"\"migration\": {\"max_bitmap_size\": 268435456, \"pgsize\": 4096}, "
	"\"write_multiple\": true}}";

static void qemu_is_answered(void **state)
{
	struct vfio_user_caps c;

	assert_int_equal(sizeof(qemu), 194);
	assert_int_equal(parse(0, qemu, sizeof(qemu), &c), 0);
	assert_int_equal(c.minor, 0);
	assert_int_equal(c.named,
			 VFIO_USER_KEY_JSON | (VFIO_USER_KEY_ALL &
					       ~VFIO_USER_KEY_TWIN_SOCKET));
	assert_int_equal(c.max_msg_fds, 16);
	assert_int_equal(c.max_dma_maps, 65535);
	assert_int_equal(c.max_data_xfer_size, 1048576);
	assert_int_equal(c.pgsizes, 4096);
	assert_true(c.write_multiple);
	assert_false(c.twin_socket);
	assert_false(vfio_user_ignores_errors(&c));
	assert_string_equal(
		reply(&c, -1),
		"{\"capabilities\":{\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,"
		"\"pgsizes\":4096,\"write_multiple\":true}}");
}

static void rust_vmm_is_answered(void **state)
{
	struct vfio_user_caps c;
	static const char json[] =
		"{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":"
		"1048576,\"migration\":{\"pgsize\":4096}}}";

	assert_int_equal(parse(1, json, sizeof(json), &c), 0);
	assert_int_equal(c.max_msg_fds, 1); /* what may be sent to it */
	assert_true(vfio_user_ignores_errors(&c));
	assert_int_equal(c.max_dma_maps, 65535);
	assert_int_equal(c.pgsizes, 4096);
	/* It must have JSON; the fds are what we take, see quirks.h. */
	assert_string_equal(reply(&c, -1),
			    "{\"capabilities\":{\"max_msg_fds\":16,"
			    "\"max_data_xfer_size\":1048576}}");
}

static void libvfio_user_is_answered(void **state)
{
	struct vfio_user_caps c;
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":32,"
				   "\"max_data_xfer_size\":1024}}";

	assert_int_equal(parse(2, json, sizeof(json), &c), 0);
	assert_int_equal(c.minor, 2);
	assert_false(vfio_user_ignores_errors(&c));
	assert_string_equal(reply(&c, -1),
			    "{\"capabilities\":{\"max_msg_fds\":32,"
			    "\"max_data_xfer_size\":1024}}");
}

static void nothing_is_named_without_being_asked(void **state)
{
	static const char *const same[] = {
		"{}",
		"{\"capabilities\":{}}",
		" { \"capabilities\" : { } } ",
		"{\"other\":[1,2,{\"x\":null}],\"capabilities\":{}}",
		"{\"capabilities\":{\"max_frobs\":-1}}",
		"{\"capabilities\":{\"x\":{\"a\":[2.5,null,\"\\u00fc\"]}}}",
		"{\"capabilities\":{\"x\":\"\xc3\xbc\"}}",
	};
	struct vfio_user_caps c, d;

	vfio_user_default_caps(&d);
	assert_int_equal(d.max_msg_fds, 1);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		assert_int_equal(parse_str(same[i], &c), 0);
		assert_int_equal(c.named, VFIO_USER_KEY_JSON);
		assert_int_equal(c.max_msg_fds, d.max_msg_fds);
		assert_int_equal(c.max_data_xfer_size, d.max_data_xfer_size);
		assert_int_equal(c.max_dma_maps, d.max_dma_maps);
		assert_int_equal(c.pgsizes, d.pgsizes);
		assert_false(c.write_multiple || c.twin_socket);
		assert_string_equal(reply(&c, -1), "{\"capabilities\":{}}");
	}
	/* No JSON is answered by none: there may be no room for it. */
	assert_int_equal(parse(0, "", 0, &c), 0);
	assert_int_equal(c.named, 0);
	assert_null(reply(&c, -1));
}

static void broken_json(void **state)
{
#define T(s)                                                                   \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		T("x\0"),
		T("\0"),
		T("\0\0"),
		T("{\0"),
		T("{"),
		T("{}"), /* no NUL */
		T("{\"capabilities\":{}}"),
		T("{\"capabilities\":\0"),
		T("{\"capabilities\":{}\0"),
		T("[]\0"),
		T("null\0"),
		T("1\0"),
		T("true\0"),
		T("\"capabilities\"\0"),
		T("{\"capabilities\":[]}\0"),
		T("{\"capabilities\":\"x\"}\0"),
		T("{\"capabilities\":1}\0"),
		T("{\"capabilities\":null}\0"),
		T("{\"capabilities\":{}}\0{}\0"),
		T("{\"capabilities\":{}}{}\0"),
		T("{\"capabilities\":{}}garbage\0"),
		T("{\"capabilities\":{}}\0\0"),
		T("{\"capabil\0ities\":{}}\0"),
		T("{\"capabilities\":{\"a\":\"\xff\xfe\"}}\0"),
		T("{\"capabilities\":{\"a\":\"\xc3\"}}\0"),
		T("{\"capabilities\":{\"a\":'x'}}\0"),
		T("{\"capabilities\":{},}\0"),
		T("{\"capabilities\":{\"max_msg_fds\":0x10}}\0"),
		T("{\"capabilities\":{\"max_msg_fds\":01}}\0"),
		T("{\"capabilities\":{\"max_msg_fds\":NaN}}\0"),
		T("{\"capabilities\":{\"max_msg_fds\":Infinity}}\0"),
		T("/* {} */{}\0"),
	};
	struct vfio_user_caps c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(0, bad[i].text, bad[i].len, &c) != -EINVAL)
			fail_msg("taken: %s", bad[i].text);
}

/* Cut anywhere, with and without a NUL at the cut: never good but as a whole,
 * and never read beyond its end. */
static void cut_json(void **state)
{
	struct vfio_user_caps c;
	char text[sizeof(qemu)];

	for (size_t len = 1; len < sizeof(qemu) - 1; len++) {
		memcpy(text, qemu, len);
		text[len] = 0;
		assert_int_equal(parse(0, text, len, &c), -EINVAL);
		assert_int_equal(parse(0, text, len + 1, &c), -EINVAL);
	}
	start(&b, VFIO_USER_VERSION);
	for (size_t len = 0; len < 4; len++)
		assert_int_equal(vfio_user_decode_version("\0\0\0", len, &c),
				 -EINVAL);
}

static void wrong_types(void **state)
{
	static const char *const bad[] = {
		"\"max_msg_fds\":\"16\"",
		"\"max_msg_fds\":-1",
		"\"max_msg_fds\":1.5",
		"\"max_msg_fds\":null",
		"\"max_msg_fds\":true",
		"\"max_msg_fds\":-1e300",
		"\"max_msg_fds\":1e999",
		"\"max_data_xfer_size\":\"x\"",
		"\"max_data_xfer_size\":-4096",
		"\"max_data_xfer_size\":0",
		"\"max_data_xfer_size\":0.0",
		"\"max_data_xfer_size\":[]",
		"\"max_data_xfer_size\":-9223372036854775808",
		"\"max_data_xfer_size\":-99999999999999999999999999",
		"\"max_dma_maps\":{}",
		"\"max_dma_maps\":-1",
		"\"pgsizes\":\"4096\"",
		"\"pgsizes\":0",
		"\"pgsizes\":-4096",
		"\"twin_socket\":true",
		"\"twin_socket\":null",
		"\"twin_socket\":{\"supported\":\"yes\"}",
		"\"twin_socket\":{\"supported\":1}",
		"\"write_multiple\":1",
		"\"write_multiple\":\"true\"",
		"\"write_multiple\":null",
		"\"max_msg_fds\":16,\"max_msg_fds\":-1",
	};
	struct vfio_user_caps c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse_caps(bad[i], &c) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{ "1", 1 },
		{ "4096.0", 4096 },
		{ "4.096e3", 4096 },
		{ "4294967295", UINT32_MAX },
		{ "4294967296", 1ull << 32 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", 1ull << 63 },
		{ "18446744073709551615", UINT64_MAX },
		{ "1e300", UINT64_MAX },
		/* Whether longer integers are numbers depends on json-c. */
	};
	struct vfio_user_caps c;
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "\"max_data_xfer_size\":%s",
			 good[i].text);
		assert_int_equal(parse_caps(text, &c), 0);
		assert_true(c.max_data_xfer_size == good[i].value);
		snprintf(text, sizeof(text), "\"max_msg_fds\":%s",
			 good[i].text);
		assert_int_equal(parse_caps(text, &c), 0);
		assert_true(c.max_msg_fds == MIN(good[i].value, UINT32_MAX));
		/* What is absurd is not believed. */
		assert_in_range(strtoul(reply(&c, -1) + 31, NULL, 10), 16, 253);
	}
	assert_int_equal(parse_caps("\"max_msg_fds\":0", &c), 0);
	assert_int_equal(c.max_msg_fds, 0);
	assert_int_equal(parse_caps("\"max_dma_maps\":0", &c), 0);
	assert_int_equal(c.max_dma_maps, 0);
}

static void the_last_of_two_counts(void **state)
{
	struct vfio_user_caps c;

	assert_int_equal(parse_caps("\"max_msg_fds\":3,\"max_msg_fds\":4", &c),
			 0);
	assert_int_equal(c.max_msg_fds, 4);
	assert_int_equal(parse_str("{\"capabilities\":{\"max_msg_fds\":3},"
				   "\"capabilities\":{}}",
				   &c),
			 0);
	assert_int_equal(c.max_msg_fds, 1);
}

static void deep_json(void **state)
{
	struct vfio_user_caps c;
	char text[VFIO_USER_MAX_VERSION_JSON];

	for (int depth = 1; depth < 1000; depth += depth < 20 ? 1 : 97) {
		char *p = text;
		int err;

		/* Two levels around, @depth arrays inside. */
		p += sprintf(p, "{\"capabilities\":{\"x\":");
		p = (char *)memset(p, '[', depth) + depth;
		p = (char *)memset(p, ']', depth) + depth;
		strcpy(p, "}}");
		err = parse_str(text, &c);
		assert_int_equal(err, depth + 2 <= VFIO_USER_MAX_JSON_DEPTH
					      ? 0
					      : -EINVAL);
	}
}

static void huge_json(void **state)
{
	struct vfio_user_caps c;
	static char text[VFIO_USER_MAX_VERSION_JSON + 2];
	const char *head = "{\"capabilities\":{\"max_msg_fds\":2,\"x\":\"";
	size_t len = strlen(head);

	for (size_t total = VFIO_USER_MAX_VERSION_JSON - 1;
	     total <= VFIO_USER_MAX_VERSION_JSON + 1; total++) {
		memcpy(text, head, len);
		memset(text + len, 'y', total - len - 4);
		memcpy(text + total - 4, "\"}}", 4);
		assert_int_equal(parse(0, text, total, &c),
				 total <= VFIO_USER_MAX_VERSION_JSON ? 0
								     : -EINVAL);
	}
	assert_int_equal(c.max_msg_fds, 2);
}

static void other_majors(void **state)
{
	struct vfio_user_caps c = { .minor = 77 };
	uint8_t p[4] = { 1, 0, 0, 0 };

	assert_int_equal(vfio_user_decode_version(p, 4, &c), -EPROTONOSUPPORT);
	p[0] = 0;
	p[1] = 0x80;
	assert_int_equal(vfio_user_decode_version(p, 4, &c), -EPROTONOSUPPORT);
	assert_int_equal(c.minor, 77); /* untouched */
	p[1] = 0;
	p[2] = p[3] = 0xff;
	assert_int_equal(vfio_user_decode_version(p, 4, &c), 0);
	assert_int_equal(c.minor, 0xffff);
}

static void what_is_agreed(void **state)
{
	struct vfio_user_caps c, a = { .minor = 99 };

	vfio_user_default_caps(&c);
	c.pgsizes = 0x10000;
	assert_int_equal(vfio_user_negotiate(&server, &c, &a), -EINVAL);
	assert_int_equal(a.minor, 99);
	c.pgsizes = 0x11000;
	c.minor = 0;
	c.max_dma_maps = 7;
	c.max_data_xfer_size = 4096;
	c.max_msg_fds = 1000;
	c.write_multiple = true;
	assert_int_equal(vfio_user_negotiate(&server, &c, &a), 0);
	assert_int_equal(a.minor, 0);
	assert_int_equal(a.pgsizes, 0x1000);
	assert_int_equal(a.max_dma_maps, 7);
	assert_int_equal(a.max_data_xfer_size, 4096);
	assert_int_equal(a.max_msg_fds, 253);
	assert_true(a.write_multiple);
	assert_false(a.twin_socket);
}

static void twin_socket(void **state)
{
	static const char *const no[] = {
		"\"twin_socket\":{}",
		"\"twin_socket\":{\"supported\":false}",
		"\"twin_socket\":{\"fd_index\":0}",
		"\"max_msg_fds\":2",
	};
	struct vfio_user_caps c;

	assert_int_equal(parse_caps("\"twin_socket\":{\"supported\":true}", &c),
			 0);
	assert_true(c.twin_socket);
	assert_string_equal(reply(&c, 0),
			    "{\"capabilities\":{\"twin_socket\":"
			    "{\"supported\":true,\"fd_index\":0}}}");
	assert_string_equal(reply(&c, -1), "{\"capabilities\":{}}");
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		assert_int_equal(parse_caps(no[i], &c), 0);
		assert_false(c.twin_socket);
		assert_null(strstr(reply(&c, 0), "twin_socket"));
	}
}

static void reply_has_room(void **state)
{
	static const struct vfio_user_header req = {
		.command = VFIO_USER_VERSION
	};
	struct vfio_user_caps all = server, ours = server;
	uint8_t buf[20 + VFIO_USER_QEMU_VERSION_MAX];
	int size;

	/* The longest that a server with our limits can say still fits. */
	all.named = VFIO_USER_KEY_ALL | VFIO_USER_KEY_JSON;
	size = vfio_user_encode_version(buf, sizeof(buf), &req, &ours, &all, 0);
	assert_in_range(size, 150, sizeof(buf));
	for (int cap = 0; cap < size; cap++)
		assert_int_equal(vfio_user_encode_version(buf, cap, &req, &ours,
							  &all, 0),
				 -ENOBUFS);
	assert_int_equal(
		vfio_user_encode_version(buf, size, &req, &ours, &all, 0),
		size);
	/* With other limits it is an error, never a cut text. */
	ours.max_data_xfer_size = all.max_data_xfer_size = UINT64_MAX;
	ours.pgsizes = all.pgsizes = UINT64_MAX;
	assert_int_equal(vfio_user_encode_version(buf, sizeof(buf), &req, &ours,
						  &all, 0),
			 -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_is_answered),
		cmocka_unit_test(rust_vmm_is_answered),
		cmocka_unit_test(libvfio_user_is_answered),
		cmocka_unit_test(nothing_is_named_without_being_asked),
		cmocka_unit_test(broken_json),
		cmocka_unit_test(cut_json),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(numbers),
		cmocka_unit_test(the_last_of_two_counts),
		cmocka_unit_test(deep_json),
		cmocka_unit_test(huge_json),
		cmocka_unit_test(other_majors),
		cmocka_unit_test(what_is_agreed),
		cmocka_unit_test(twin_socket),
		cmocka_unit_test(reply_has_room),
	};
	int err = cmocka_run_group_tests(tests, NULL, NULL);

	free(b.bytes);
	return err;
}
