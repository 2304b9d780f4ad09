/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user protocol's numbers and layouts.
 *
 * Source: docs/interop/vfio-user.rst of qemu/qemu ("the specification" in
 * this folder), and <linux/vfio.h> for what it takes from there. All numbers
 * on the wire are little endian here: both ends are one x86 or arm64 host.
 */
#ifndef VFIO_USER_PROTO_H
#define VFIO_USER_PROTO_H

#include <stdint.h>

#define VFIO_USER_MAJOR 0
#define VFIO_USER_MINOR 1

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,
	VFIO_USER_DMA_WRITE = 12,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
	VFIO_USER_NUM_COMMANDS = 19,
};

#define VFIO_USER_TYPE_MASK    0xfu
#define VFIO_USER_TYPE_COMMAND 0x0u
#define VFIO_USER_TYPE_REPLY   0x1u
#define VFIO_USER_NO_REPLY     0x10u
#define VFIO_USER_ERROR	       0x20u

/* "Header" in the specification */
struct vfio_user_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* of the whole message, this header included */
	uint32_t flags;
	uint32_t error; /* errno, in replies with VFIO_USER_ERROR */
};

struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
	/* JSON text, NUL included; may be absent */
};

struct vfio_user_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t iova;
	uint64_t size;
};
#define VFIO_USER_DMA_MAP_READ	(1u << 0)
#define VFIO_USER_DMA_MAP_WRITE (1u << 1)

struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
};
#define VFIO_USER_DMA_UNMAP_ALL (1u << 1) /* VFIO_DMA_UNMAP_FLAG_ALL */

struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};
#define VFIO_USER_DEVICE_FLAGS_RESET (1u << 0)
#define VFIO_USER_DEVICE_FLAGS_PCI   (1u << 1)

struct vfio_user_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};
#define VFIO_USER_REGION_FLAG_READ  (1u << 0)
#define VFIO_USER_REGION_FLAG_WRITE (1u << 1)
#define VFIO_USER_REGION_FLAG_MMAP  (1u << 2)
#define VFIO_USER_REGION_FLAG_CAPS  (1u << 3)

struct vfio_user_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next;
};
#define VFIO_USER_CAP_SPARSE_MMAP 1u /* VFIO_REGION_INFO_CAP_SPARSE_MMAP */

struct vfio_user_sparse_mmap {
	struct vfio_user_cap_header header;
	uint32_t nr_areas;
	uint32_t reserved;
	/* struct vfio_user_sparse_area[nr_areas] */
};

struct vfio_user_sparse_area {
	uint64_t offset;
	uint64_t size;
};

struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
	/* struct vfio_user_ioeventfd[count] */
};

struct vfio_user_ioeventfd {
	uint64_t offset;
	uint64_t size;
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags;
	uint32_t padding;
	uint64_t datamatch;
};
#define VFIO_USER_IO_FD_TYPE_IOEVENTFD 0u
#define VFIO_USER_IOEVENTFD_DATAMATCH                                          \
	(1u << 0) /* KVM_IOEVENTFD_FLAG_DATAMATCH */

struct vfio_user_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
#define VFIO_USER_IRQ_INFO_EVENTFD    (1u << 0)
#define VFIO_USER_IRQ_INFO_MASKABLE   (1u << 1)
#define VFIO_USER_IRQ_INFO_AUTOMASKED (1u << 2)
#define VFIO_USER_IRQ_INFO_NORESIZE   (1u << 3)

struct vfio_user_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
	/* uint8_t data[count] with DATA_BOOL */
};
#define VFIO_USER_IRQ_SET_DATA_NONE	 (1u << 0)
#define VFIO_USER_IRQ_SET_DATA_BOOL	 (1u << 1)
#define VFIO_USER_IRQ_SET_DATA_EVENTFD	 (1u << 2)
#define VFIO_USER_IRQ_SET_DATA_MASK	 0x07u
#define VFIO_USER_IRQ_SET_ACTION_MASK	 (1u << 3)
#define VFIO_USER_IRQ_SET_ACTION_UNMASK	 (1u << 4)
#define VFIO_USER_IRQ_SET_ACTION_TRIGGER (1u << 5)
#define VFIO_USER_IRQ_SET_ACTIONS	 0x38u

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	/* data */
};

struct vfio_user_write_multi {
	uint64_t wr_cnt;
	/* struct vfio_user_write_single[wr_cnt] */
};

struct vfio_user_write_single {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint64_t data;
};

struct vfio_user_dma_access {
	uint64_t iova;
	uint64_t count;
	/* data */
};

struct vfio_user_device_feature {
	uint32_t argsz;
	uint32_t flags;
	/* data */
};
#define VFIO_USER_FEATURE_MASK	0xffffu
#define VFIO_USER_FEATURE_GET	(1u << 16)
#define VFIO_USER_FEATURE_SET	(1u << 17)
#define VFIO_USER_FEATURE_PROBE (1u << 18)

enum vfio_user_feature {
	VFIO_USER_FEATURE_MIGRATION = 1,
	VFIO_USER_FEATURE_MIG_DEVICE_STATE = 2,
	VFIO_USER_FEATURE_DMA_LOGGING_START = 6,
	VFIO_USER_FEATURE_DMA_LOGGING_STOP = 7,
	VFIO_USER_FEATURE_DMA_LOGGING_REPORT = 8,
};

/* "VFIO_DEVICE_FEATURE_MIGRATION" */
struct vfio_user_migration {
	uint64_t flags;
};
#define VFIO_USER_MIGRATION_STOP_COPY (1u << 0)
#define VFIO_USER_MIGRATION_P2P	      (1u << 1)
#define VFIO_USER_MIGRATION_PRE_COPY  (1u << 2)

/* "VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE" */
struct vfio_user_mig_state {
	uint32_t device_state; /* enum vfio_user_device_state */
	uint32_t data_fd;      /* unused in vfio-user */
};

enum vfio_user_device_state {
	VFIO_USER_STATE_ERROR = 0,
	VFIO_USER_STATE_STOP = 1,
	VFIO_USER_STATE_RUNNING = 2,
	VFIO_USER_STATE_STOP_COPY = 3,
	VFIO_USER_STATE_RESUMING = 4,
	VFIO_USER_STATE_RUNNING_P2P = 5,
	VFIO_USER_STATE_PRE_COPY = 6,
	VFIO_USER_STATE_PRE_COPY_P2P = 7,
};

/* "VFIO_DEVICE_FEATURE_DMA_LOGGING_START" */
struct vfio_user_logging_start {
	uint64_t page_size;
	uint32_t num_ranges;
	uint32_t reserved;
	/* struct vfio_user_logging_range[num_ranges] */
};

struct vfio_user_logging_range {
	uint64_t iova;
	uint64_t length;
};

/* "VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT" */
struct vfio_user_logging_report {
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	/* uint64_t bitmap[], in the reply */
};

struct vfio_user_mig_data {
	uint32_t argsz;
	uint32_t size;
	/* data */
};

/* Defaults of "VFIO_USER_VERSION", Capabilities, where a peer says nothing */
#define VFIO_USER_DEFAULT_MAX_MSG_FDS	1u
#define VFIO_USER_DEFAULT_MAX_DATA_XFER 1048576u
#define VFIO_USER_DEFAULT_MAX_DMA_MAPS	65535u
#define VFIO_USER_DEFAULT_PGSIZES	4096u

/* What we accept at most; the larger message is refused before it is read. */
#define VFIO_USER_MAX_DATA_XFER	     1048576u /* bytes of data in one message */
#define VFIO_USER_MAX_MSG_FDS	     253u     /* SCM_MAX_FD of Linux */
#define VFIO_USER_MAX_VERSION_JSON   4096u    /* bytes, NUL included */
#define VFIO_USER_MAX_JSON_DEPTH     8	/* objects and arrays inside others */
#define VFIO_USER_MAX_SINGLE_WRITE   8u /* bytes of one WRITE_MULTI entry */
#define VFIO_USER_MAX_LOGGING_RANGES 1024u /* of one DMA_LOGGING_START */
/* What a DMA map's address, size and file offset are multiples of. */
#define VFIO_USER_DMA_ALIGN 4096u
/* The largest message we take: a header, a data message's head, the data. */
#define VFIO_USER_MAX_MSG_SIZE                                                 \
	((uint32_t)(sizeof(struct vfio_user_header) +                          \
		    sizeof(struct vfio_user_region_access) +                   \
		    VFIO_USER_MAX_DATA_XFER))

#endif
