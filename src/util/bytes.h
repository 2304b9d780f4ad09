/* SPDX-License-Identifier: MIT */
/* Little-endian loads and stores at any alignment, and small arithmetic. */
#ifndef UTIL_BYTES_H
#define UTIL_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                            \
	__extension__({                      \
		__typeof__(a) a_ = (a);      \
		__typeof__(b) b_ = (b);      \
		a_ < b_ ? a_ : b_;           \
	})
#define MAX(a, b)                            \
	__extension__({                      \
		__typeof__(a) a_ = (a);      \
		__typeof__(b) b_ = (b);      \
		a_ > b_ ? a_ : b_;           \
	})

static inline uint16_t get_le16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void put_le16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* The same with 1, 2, 4 or 8 bytes, as @size says. Not memcpy() of a length
 * that varies: the call, and the wide load behind a narrow store, would cost
 * more than the access. */
static inline uint64_t get_le(const void *p, unsigned size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return get_le16(p);
	case 4:
		return get_le32(p);
	default:
		return get_le64(p);
	}
}

static inline void put_le(void *p, uint64_t v, unsigned size)
{
	switch (size) {
	case 1:
		*(uint8_t *)p = (uint8_t)v;
		break;
	case 2:
		put_le16(p, (uint16_t)v);
		break;
	case 4:
		put_le32(p, (uint32_t)v);
		break;
	default:
		put_le64(p, v);
	}
}

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Is [offset, offset + len) inside [0, size)? Never wraps. */
static inline bool range_inside(uint64_t offset, uint64_t len, uint64_t size)
{
	return offset <= size && len <= size - offset;
}

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) & ~(to - 1);
}

#endif
