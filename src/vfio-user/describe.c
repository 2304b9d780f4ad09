/* SPDX-License-Identifier: MIT */
#include "describe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../util/bytes.h"
#include "decode.h"

#define SHOWN_BYTES 16u /* of data, in hexadecimal */

struct text {
	char *buf;
	size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t,
						      const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = MIN(t->len + (size_t)n, t->cap - 1);
}

static void add_hex(struct text *t, const uint8_t *data, size_t len)
{
	add(t, " data");
	for (size_t i = 0; i < len && i < SHOWN_BYTES; i++)
		add(t, " %02x", data[i]);
	if (len > SHOWN_BYTES)
		add(t, " ...");
}

static const char *region_name(uint32_t region)
{
	static const char *const names[] = { "BAR0", "BAR1",   "BAR2",
					     "BAR3", "BAR4",   "BAR5",
					     "ROM",  "config", "VGA" };

	return region < ARRAY_SIZE(names) ? names[region] : "region?";
}

static const char *irq_name(uint32_t index)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "ERR",
					     "REQ" };

	return index < ARRAY_SIZE(names) ? names[index] : "irq?";
}

/* JSON of a stranger: printable or not shown. */
static void add_version(struct text *t, const uint8_t *p, size_t len)
{
	struct vfio_user_version v;

	if (len < sizeof(v))
		return;
	memcpy(&v, p, sizeof(v));
	add(t, " %u.%u ", v.major, v.minor);
	for (size_t i = sizeof(v); i < len && p[i]; i++)
		add(t, "%c", p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '?');
}

static void add_access(struct text *t, const uint8_t *p, size_t len)
{
	struct vfio_user_region_access a;

	if (len < sizeof(a))
		return;
	memcpy(&a, p, sizeof(a));
	add(t, " %s+0x%llx count %u", region_name(a.region),
	    (unsigned long long)a.offset, a.count);
	if (len > sizeof(a))
		add_hex(t, p + sizeof(a), len - sizeof(a));
}

static void add_write_multi(struct text *t, const uint8_t *p, size_t len)
{
	uint64_t n;

	if (len < sizeof(n))
		return;
	n = get_le64(p);
	add(t, " %llu writes", (unsigned long long)n);
	if (len >= sizeof(n) + sizeof(struct vfio_user_write_single)) {
		struct vfio_user_write_single w;

		vfio_user_write_single(p + sizeof(n), 0, &w);
		add(t, ", first %s+0x%llx count %u", region_name(w.region),
		    (unsigned long long)w.offset, w.count);
	}
}

static void add_dma(struct text *t, unsigned command, const uint8_t *p,
		    size_t len)
{
	if (command == VFIO_USER_DMA_MAP &&
	    len >= sizeof(struct vfio_user_dma_map)) {
		struct vfio_user_dma_map m;

		memcpy(&m, p, sizeof(m));
		add(t, " iova 0x%llx size 0x%llx offset 0x%llx %s%s",
		    (unsigned long long)m.iova, (unsigned long long)m.size,
		    (unsigned long long)m.offset,
		    m.flags & VFIO_USER_DMA_MAP_READ ? "r" : "-",
		    m.flags & VFIO_USER_DMA_MAP_WRITE ? "w" : "-");
	} else if (command == VFIO_USER_DMA_UNMAP &&
		   len >= sizeof(struct vfio_user_dma_unmap)) {
		struct vfio_user_dma_unmap u;

		memcpy(&u, p, sizeof(u));
		if (u.flags & VFIO_USER_DMA_UNMAP_ALL)
			add(t, " all");
		else
			add(t, " iova 0x%llx size 0x%llx",
			    (unsigned long long)u.iova,
			    (unsigned long long)u.size);
	} else if (len >= sizeof(struct vfio_user_dma_access) &&
		   (command == VFIO_USER_DMA_READ ||
		    command == VFIO_USER_DMA_WRITE)) {
		struct vfio_user_dma_access a;

		memcpy(&a, p, sizeof(a));
		add(t, " iova 0x%llx count %llu", (unsigned long long)a.iova,
		    (unsigned long long)a.count);
		if (len > sizeof(a))
			add_hex(t, p + sizeof(a), len - sizeof(a));
	}
}

static void add_info(struct text *t, unsigned command, const uint8_t *p,
		     size_t len)
{
	if (command == VFIO_USER_DEVICE_GET_INFO &&
	    len >= sizeof(struct vfio_user_device_info)) {
		struct vfio_user_device_info i;

		memcpy(&i, p, sizeof(i));
		add(t, " flags 0x%x regions %u irqs %u", i.flags, i.num_regions,
		    i.num_irqs);
	} else if (command == VFIO_USER_DEVICE_GET_REGION_INFO &&
		   len >= sizeof(struct vfio_user_region_info)) {
		struct vfio_user_region_info i;

		memcpy(&i, p, sizeof(i));
		add(t, " %s argsz %u flags 0x%x size 0x%llx",
		    region_name(i.index), i.argsz, i.flags,
		    (unsigned long long)i.size);
	} else if (command == VFIO_USER_DEVICE_GET_IRQ_INFO &&
		   len >= sizeof(struct vfio_user_irq_info)) {
		struct vfio_user_irq_info i;

		memcpy(&i, p, sizeof(i));
		add(t, " %s flags 0x%x count %u", irq_name(i.index), i.flags,
		    i.count);
	}
}

static void add_set_irqs(struct text *t, const uint8_t *p, size_t len)
{
	struct vfio_user_irq_set s;

	if (len < sizeof(s))
		return;
	memcpy(&s, p, sizeof(s));
	add(t, " %s %s %s start %u count %u", irq_name(s.index),
	    s.flags & VFIO_USER_IRQ_SET_ACTION_TRIGGER ? "trigger" :
	    s.flags & VFIO_USER_IRQ_SET_ACTION_UNMASK  ? "unmask" :
							 "mask",
	    s.flags & VFIO_USER_IRQ_SET_DATA_EVENTFD ? "eventfd" :
	    s.flags & VFIO_USER_IRQ_SET_DATA_BOOL    ? "bool" :
						       "none",
	    s.start, s.count);
}

static void add_payload(struct text *t, unsigned command, const uint8_t *p,
			size_t len)
{
	switch (command) {
	case VFIO_USER_VERSION:
		add_version(t, p, len);
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		add_access(t, p, len);
		break;
	case VFIO_USER_REGION_WRITE_MULTI:
		add_write_multi(t, p, len);
		break;
	case VFIO_USER_DMA_MAP:
	case VFIO_USER_DMA_UNMAP:
	case VFIO_USER_DMA_READ:
	case VFIO_USER_DMA_WRITE:
		add_dma(t, command, p, len);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
	case VFIO_USER_DEVICE_GET_REGION_INFO:
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		add_info(t, command, p, len);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		add_set_irqs(t, p, len);
		break;
	default:
		if (len)
			add_hex(t, p, len);
	}
}

void vfio_user_describe(char *buf, size_t cap, const void *msg, size_t len,
			size_t n_fds)
{
	struct text t = { .buf = buf, .cap = cap };
	struct vfio_user_header h;
	int64_t size = vfio_user_frame(msg, len, &h);

	buf[0] = 0;
	if (size <= 0) {
		if (size)
			add(&t, "not a message: impossible size");
		else
			add(&t, "the start of a message (%zu bytes)", len);
		return;
	}
	add(&t, "%s %s id %u size %u",
	    (h.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_REPLY ? "reply" :
								      "request",
	    vfio_user_command_name(h.command), h.id, h.size);
	if (h.flags & VFIO_USER_NO_REPLY)
		add(&t, " no-reply");
	if (n_fds)
		add(&t, " fds %zu", n_fds);
	if (h.flags & VFIO_USER_ERROR)
		add(&t, " error %u (%s)", h.error, strerror((int)h.error));
	else
		add_payload(&t, h.command, (const uint8_t *)msg + sizeof(h),
			    MIN(len, (size_t)size) - sizeof(h));
}
