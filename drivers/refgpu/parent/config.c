/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/parent.h>
#include <vgpu/refgpu.h>

#include "config.h"

#define DEFAULT_VRAM (16ull << 30)
/* What a share of the engine stands for where nothing else is said, as types'
 * weights do. */
#define SHARE_VRAM   (16ull << 20)
#define MAX_VRAM     (1ull << 42)
#define MAX_SLICE_US 100000u
#define MAX_HANG_MS  60000u

static int wrong(const char *what, size_t len, const char *expected)
{
	vgpu_parent_log(NULL, NULL, VGPU_LOG_ERROR,
			"refgpu: '%.*s': %s is expected", (int)len, what,
			expected);
	return -EINVAL;
}

/* A number with k, m, g behind it */
static bool number(const char *s, size_t len, bool unit, uint64_t min,
		   uint64_t max, uint64_t *ret_value)
{
	static const char units[] = "kmgt";
	uint64_t value = 0;
	size_t i = 0;

	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
		if (value > UINT64_MAX / 16)
			return false;
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	if (!i)
		return false;
	if (unit && i < len) {
		const char *u = strchr(units, s[i] | 0x20);

		if (!u || !*u || value > UINT64_MAX >> 41)
			return false;
		value <<= 10 * (u - units + 1);
		i++;
	}
	*ret_value = value;
	return i == len && value >= min && value <= max;
}

static int parse_mode(const char *s, size_t len, struct rgp_config *c)
{
	static const char *const names[] = { "best-effort", "equal", "fixed" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], s, len)) {
			c->sched.mode = i;
			return 0;
		}
	return wrong(s, len, "mode=best-effort, equal or fixed");
}

/* @s: "name=value" of @len bytes */
static int parse_one(const char *s, size_t len, struct rgp_config *c)
{
	const char *eq = memchr(s, '=', len);
	size_t name = eq ? (size_t)(eq - s) : len;
	const char *v = s + name + 1;
	size_t n = eq ? len - name - 1 : 0;
	uint64_t value;

#define IS(text) (name == sizeof(text) - 1 && !memcmp(s, text, name))
	if (eq && IS("vram")) {
		if (!number(v, n, true, 1u << 20, MAX_VRAM, &value) ||
		    value % (1u << 20))
			return wrong(s, len, "vram=SIZE, whole MiB, up to 4t");
		c->vram = value;
	} else if (eq && IS("contexts")) {
		if (!number(v, n, false, 1, REFGPU_MAX_CONTEXTS, &value))
			return wrong(s, len, "contexts=1..1024");
		c->contexts = (unsigned)value;
	} else if (eq && IS("shares")) {
		if (!number(v, n, false, 1, UINT32_MAX, &value))
			return wrong(s, len, "shares=NUMBER");
		c->sched.shares = (unsigned)value;
	} else if (eq && IS("slice")) {
		if (!number(v, n, false, 100, MAX_SLICE_US, &value))
			return wrong(s, len, "slice=MICROSECONDS, from 100 on");
		c->sched.slice_ns = value * 1000;
	} else if (eq && IS("hang")) {
		if (!number(v, n, false, 10, MAX_HANG_MS, &value))
			return wrong(s, len, "hang=MILLISECONDS, from 10 on");
		c->sched.hang_ns = value * 1000000;
	} else if (eq && IS("mode")) {
		return parse_mode(v, n, c);
	} else {
		return wrong(s, len,
			     "vram=, contexts=, mode=, shares=, slice= or "
			     "hang=");
	}
#undef IS
	return 0;
}

int rgp_config_parse(const char *text, struct rgp_config *ret_config)
{
	struct rgp_config c = { .vram = DEFAULT_VRAM,
				.contexts = REFGPU_MAX_CONTEXTS };
	size_t len = strcspn(text, ",");
	int err;

	if (len != strlen("software") || memcmp(text, "software", len))
		return wrong(text, len, "software, the model of the board,");
	for (text += len; *text; text += len) {
		text++;
		len = strcspn(text, ",");
		err = parse_one(text, len, &c);
		if (err)
			return err;
	}
	if (!c.sched.shares)
		c.sched.shares = (unsigned)(c.vram / SHARE_VRAM
						    ? c.vram / SHARE_VRAM
						    : 1);
	*ret_config = c;
	return 0;
}
