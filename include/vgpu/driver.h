/* SPDX-License-Identifier: MIT */
/*
 * The driver interface: what a GPU vendor includes to write a vGPU driver.
 *
 * A driver is a shared object with one exported symbol (see
 * VGPU_DRIVER_MODULE()). It offers *types*; the core asks it to create
 * *instances* (vGPUs) of them. An instance *describes* itself as data (ids,
 * BARs and their areas, interrupts, capabilities); the core owns config
 * space, BAR sizing, sparse mmap, eventfds, the DMA map and the session with
 * the client. What is left for the driver is what its registers do.
 *
 * Conventions
 *   - int results are 0 (or a count) and negative errno values on failure;
 *     outputs named ret_* are untouched on failure.
 *   - What a driver does not use of a structure it leaves at 0, as designated
 *     initialisers do.
 *   - Numbers are the host's integers, whatever their bytes look like on the
 *     bus: a read op returns the register's value. Buffers (bulk ops,
 *     capabilities, ROM, memory) are bytes in the guest's order, which is
 *     little endian on PCI.
 *   - All ops of one instance run on one thread, its event loop: a driver
 *     needs no lock for its own state. Functions that other threads may call
 *     say so. No op may block, or run longer than a few milliseconds.
 *   - Guest-visible state lives in memory that the core hands out
 *     (vgpu_device_state()), never in globals and not in the driver's own
 *     allocations; it holds offsets, never pointers.
 *
 * Old and new. A driver that was compiled once loads in every later core, and
 * in an earlier one as long as it asks for nothing that it lacks. For that:
 *   - VGPU_DRIVER_ABI is one number for all headers of <vgpu/...> that a driver
 *     includes. A module of another number is refused when it is loaded.
 *   - What a driver hands over (descriptions, ops, configurations) grows at its
 *     end only, and 0 there means what it meant before it grew. How long each
 *     structure is for a driver, the headers tell the core: for what a module
 *     describes, VGPU_DRIVER_MODULE() does once for all; what is handed to a
 *     function goes by an inline one which adds the size. So nobody writes a
 *     size, and arrays have the driver's stride.
 *   - The core reads of an older driver's structure what is there, and 0 behind
 *     it. Where a newer driver has set what the core does not know, it is
 *     refused with a sentence (-E2BIG).
 *   - What the core hands to a driver or fills in for it never changes its size
 *     ("fixed" below): what is to be added comes by another function.
 *   - A value keeps its number. The core hands a driver no value of an
 *     enumeration that is not in its header without being asked to, but for
 *     reasons of a reset: one that is not known is like VGPU_RESET_CLIENT.
 *   - A module that calls a function which an earlier core lacks is not loaded;
 *     what is missing is logged.
 */
#ifndef VGPU_DRIVER_H
#define VGPU_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_API __attribute__((visibility("default")))
#define VGPU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** VGPU_DRIVER_ABI - the interface's number; see "Old and new" */
#define VGPU_DRIVER_ABI 2u

struct vgpu_device;
struct vgpu_core; /* the core's half of an instance; opaque */

/**
 * vgpu_container_of() - from a pointer to a member back to what embeds it
 * @ptr: pointer to the member; not evaluated twice
 * @type: the embedding structure
 * @member: the member's name in @type
 */
#define vgpu_container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* ------------------------------------------------------------------ */
/* Regions                                                             */
/* ------------------------------------------------------------------ */

/**
 * VGPU_LIST() - initialises the members of a structure that are an array and
 * the number of its elements: VGPU_LIST(areas, regs) is
 * .areas = regs, .n_areas = 3
 */
#define VGPU_LIST(member, array)                                               \
	.member = (array), .n_##member = sizeof(array) / sizeof((array)[0])

#define VGPU_NUM_BARS 6

/**
 * enum vgpu_region_index - regions of a PCI device
 *
 * Numbered as VFIO numbers them (VFIO_PCI_*_REGION_INDEX in <linux/vfio.h>).
 */
enum vgpu_region_index {
	VGPU_REGION_BAR0 = 0,
	VGPU_REGION_BAR1,
	VGPU_REGION_BAR2,
	VGPU_REGION_BAR3,
	VGPU_REGION_BAR4,
	VGPU_REGION_BAR5,
	VGPU_REGION_ROM,
	VGPU_REGION_CONFIG,
	VGPU_REGION_VGA,
	VGPU_NUM_REGIONS,
};

/**
 * struct vgpu_mmio_ops - the registers of a trapped area
 * @min_access: smallest access the ops take, in bytes: 1, 2, 4 or 8
 * @max_access: largest access the ops take, in bytes: 1, 2, 4 or 8. Both 0: 4,
 *              which is what most registers have.
 * @read: value of the register at @offset, from the area's start
 * @write: store @value to the register at @offset, from the area's start
 * @read_bulk: optional; fill @buf from @offset on, for areas that are read in
 *             bulk (an EDID, a log). Takes any offset and length inside the
 *             area; where it is set, @read may be NULL.
 * @write_bulk: optional counterpart of @read_bulk
 *
 * All of them get the area's @data: one table serves any number of areas.
 * The ops see only naturally aligned accesses of a size between @min_access
 * and @max_access, inside the area. The core makes them so: a larger or
 * misaligned access is split in ascending order, a smaller read is cut out of
 * the register, and a smaller write reads the register, replaces the bytes
 * and writes it back - unless @flags has VGPU_MMIO_NO_PARTIAL_WRITE, in which
 * case it is ignored. A NULL @read reads as all-ones, a NULL @write ignores.
 */
struct vgpu_mmio_ops {
	uint32_t flags;
	uint32_t min_access;
	uint32_t max_access;
	uint64_t (*read)(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size);
	void (*write)(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size);
	void (*read_bulk)(struct vgpu_device *dev, void *data, uint64_t offset,
			  void *buf, size_t len);
	void (*write_bulk)(struct vgpu_device *dev, void *data, uint64_t offset,
			   const void *buf, size_t len);
};

/** VGPU_MMIO_NO_PARTIAL_WRITE - writes below @min_access are ignored. */
#define VGPU_MMIO_NO_PARTIAL_WRITE (1u << 0)

/**
 * enum vgpu_area_kind - how the client reaches an area
 * @VGPU_AREA_TRAPPED: every access comes to the driver's vgpu_mmio_ops
 * @VGPU_AREA_MAPPED: memory that the client maps straight; no message, no op.
 *                    The driver sees it through vgpu_device_memory().
 * @VGPU_AREA_MEMORY: plain memory behind messages: reads and writes are
 *                    served by the core, the client can't map it.
 * @VGPU_AREA_DOORBELL: 1, 2, 4 or 8 bytes that are written to say "look":
 *                      @ops->write is called, with an unspecified value and
 *                      perhaps once for several writes. A client may turn it
 *                      into an eventfd, so that KVM rings it without the VMM
 *                      (ioeventfd). Reads come to @ops->read.
 */
enum vgpu_area_kind {
	VGPU_AREA_TRAPPED = 0,
	VGPU_AREA_MAPPED = 1,
	VGPU_AREA_MEMORY = 2,
	VGPU_AREA_DOORBELL = 3,
};

/**
 * struct vgpu_area - a part of a BAR
 * @kind: who serves it
 * @offset: from the BAR's start, bytes; if @kind is mapped a multiple of the
 *          host's page size
 * @size: bytes, > 0; if @kind is mapped a multiple of the host's page size
 * @ops: the registers, for trapped areas and doorbells; must outlive the
 *       instance
 * @data: the driver's own, handed to each of @ops: which of several queues or
 *        engines this is, say
 *
 * Bytes of a BAR that no area covers read as all-ones and ignore writes.
 * Areas must not overlap; their order does not matter. An access that crosses
 * from one to the next is cut there.
 */
struct vgpu_area {
	uint32_t kind;
	uint64_t offset;
	uint64_t size;
	const struct vgpu_mmio_ops *ops;
	void *data;
};

/** VGPU_TRAPPED() - initialises a trapped area */
#define VGPU_TRAPPED(at, len, area_ops, ops_data)                              \
	{                                                                      \
		.kind = VGPU_AREA_TRAPPED, .offset = (at), .size = (len),      \
		.ops = (area_ops), .data = (ops_data)                          \
	}

#define VGPU_BAR_IO       (1u << 0) /* I/O space; the default is memory */
#define VGPU_BAR_64       (1u << 1) /* 64-bit: takes the next BAR as well */
#define VGPU_BAR_PREFETCH (1u << 2) /* prefetchable memory */

/**
 * struct vgpu_bar - a base address register and what lies behind it
 * @size: bytes, a power of two; 0: no such BAR
 * @flags: VGPU_BAR_*
 * @n_areas: number of @areas, at most 62
 * @areas: what the BAR is made of; copied
 * @reserved: 0
 *
 * Memory has at least 16 bytes (PCI Express: 128), at most 2 GiB, and with
 * VGPU_BAR_64 at most 256 GiB; the BAR that follows a 64-bit one has size 0.
 * I/O space has 4 to 256 bytes; none of its areas can be mapped. A large VRAM
 * wants VGPU_BAR_64 | VGPU_BAR_PREFETCH: firmware then places it above 4 GiB,
 * where there is room. Fixed.
 */
struct vgpu_bar {
	uint64_t size;
	uint32_t flags;
	uint32_t n_areas;
	const struct vgpu_area *areas;
	uint64_t reserved;
};

/**
 * struct vgpu_pci_cap_ops - a capability that is more than bytes at rest
 * @before_read: optional. The guest is about to read @len bytes from @offset
 *               on: bring them up to date by vgpu_pci_cap_store(). QEMU reads
 *               all of config space at once when it starts, so a read is no
 *               proof that a guest's driver is there.
 * @written: optional. The guest has written @len bytes (1 to 4, in one dword)
 *           from @offset on; see them by vgpu_pci_cap_load(). Called for
 *           read-only bits as well.
 *
 * @cap counts the description's capabilities from 0. @offset is in bytes from
 * the capability's start, its id being 0, and never below 2.
 */
struct vgpu_pci_cap_ops {
	void (*before_read)(struct vgpu_device *dev, unsigned cap,
			    unsigned offset, unsigned len);
	void (*written)(struct vgpu_device *dev, unsigned cap, unsigned offset,
			unsigned len);
};

/**
 * struct vgpu_pci_cap - a vendor's own PCI capability
 * @id: capability id: 0x09, vendor-specific, for nearly everybody; not one of
 *      the core's (0x01, 0x05, 0x10, 0x11)
 * @len: bytes, including the two of id and next pointer; 2..192
 * @reserved: 0
 * @data: the body after these two bytes at power-on, @len - 2 bytes; copied.
 *        A vendor-specific one starts with its length: data[0] is @len.
 * @writable: mask of bits that the guest may write, same length as @data;
 *            NULL: read-only; copied
 * @ops: notices reads and writes; NULL: nobody does; copied
 *
 * A reset brings the body back to @data.
 */
struct vgpu_pci_cap {
	uint8_t id;
	uint8_t len;
	uint16_t reserved;
	const uint8_t *data;
	const uint8_t *writable;
	const struct vgpu_pci_cap_ops *ops;
};

/**
 * struct vgpu_pci_desc - what the PCI function looks like
 * @vendor_id: PCI vendor id
 * @device_id: PCI device id
 * @subsystem_vendor_id: PCI subsystem vendor id
 * @subsystem_id: PCI subsystem id
 * @class_code: 24 bits: base class, sub-class, programming interface
 * @revision: revision id
 * @intx_pin: 0: no INTx, 1..4: INTA..INTD
 * @pm: has the power management capability (D0 and D3hot). In D3hot no
 *      access reaches the BARs; back in D0 the instance was reset.
 * @express: is a PCI Express endpoint: 4096 bytes of config space and FLR;
 *           wants @pm. With a BAR in I/O space it is a legacy endpoint.
 * @msi_vectors: 0: no MSI, or 1, 2, 4, 8, 16, 32
 * @msix_vectors: 0: no MSI-X, or 1..2048
 * @msix_bar: memory BAR that holds table and PBA, which are the core's: no
 *            area of the driver's may overlap them
 * @msix_table_offset: in that BAR, a multiple of 8; 16 bytes for each vector
 * @msix_pba_offset: in that BAR, a multiple of 8; 8 bytes for each 64 vectors
 * @n_caps: number of @caps
 * @caps: vendor's capabilities, in the order of the list; copied
 * @rom: option ROM image, or NULL; must outlive the instance
 * @rom_size: its length in bytes, at most 16 MiB. The ROM BAR is the next
 *            power of two from 2 KiB on; behind the image it reads as
 *            all-ones.
 * @bars: the six base address registers
 *
 * Everything is checked before an instance exists, and what is wrong is
 * logged in a sentence. The core's capabilities come first: power management
 * (8 bytes), MSI (16), MSI-X (12), PCI Express (60). Together with @caps, each
 * rounded up to 4 bytes, they take at most 192. The command register's
 * decode bits are the client's business: an access to a BAR arrives here
 * whether they are set or not. docs/config-space.md has every register.
 */
struct vgpu_pci_desc {
	uint16_t vendor_id;
	uint16_t device_id;
	uint16_t subsystem_vendor_id;
	uint16_t subsystem_id;
	uint32_t class_code;
	uint8_t revision;
	uint8_t intx_pin;
	bool pm;
	bool express;
	uint16_t msi_vectors;
	uint16_t msix_vectors;
	uint32_t msix_bar;
	uint32_t msix_table_offset;
	uint32_t msix_pba_offset;
	uint32_t n_caps;
	const struct vgpu_pci_cap *caps;
	const void *rom;
	uint64_t rom_size;
	struct vgpu_bar bars[VGPU_NUM_BARS];
};

/* ------------------------------------------------------------------ */
/* State                                                               */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_field - one field of an instance's state
 * @name: stable for ever; what a saved state calls it
 * @offset: bytes from the start of the state
 * @size: bytes of one element
 * @count: number of elements, 1 for a scalar
 * @since: version of the table in which the field appeared
 *
 * Fixed.
 */
struct vgpu_field {
	const char *name;
	uint32_t offset;
	uint32_t size;
	uint32_t count;
	uint32_t since;
};

/** VGPU_FIELD() - describe member @m of state structure @type */
#define VGPU_FIELD(type, m, version)                             \
	{                                                        \
		.name = #m, .offset = offsetof(type, m),         \
		.size = sizeof(((type *)0)->m), .count = 1,      \
		.since = (version)                               \
	}

/** VGPU_FIELD_ARRAY() - describe array member @m of state structure @type */
#define VGPU_FIELD_ARRAY(type, m, version)                          \
	{                                                           \
		.name = #m, .offset = offsetof(type, m),            \
		.size = sizeof(((type *)0)->m[0]),                  \
		.count = sizeof(((type *)0)->m) /                   \
			 sizeof(((type *)0)->m[0]),                 \
		.since = (version)                                  \
	}

/**
 * struct vgpu_state_desc - the guest-visible state of an instance
 * @version: version of the table, >= 1
 * @size: bytes of the state structure; 0: there is none
 * @n_fields: number of @fields
 * @fields: every field that the guest can notice
 *
 * Fixed.
 */
struct vgpu_state_desc {
	uint32_t version;
	uint32_t size;
	uint32_t n_fields;
	const struct vgpu_field *fields;
};

/** VGPU_STATE() - in a struct vgpu_device_ops: @state is a structure of type
 * @type, of which @fields, an array, is version @v of the table */
#define VGPU_STATE(type, v, fields_)                                           \
	.state = { (v), sizeof(type), sizeof(fields_) / sizeof(fields_[0]),    \
		   (fields_) }

/* ------------------------------------------------------------------ */
/* Instances                                                           */
/* ------------------------------------------------------------------ */

/**
 * enum vgpu_reset_reason - why an instance is reset
 * @VGPU_RESET_CLIENT: the client asked (VFIO_USER_DEVICE_RESET)
 * @VGPU_RESET_FLR: the guest wrote Initiate Function Level Reset
 * @VGPU_RESET_PM: D3hot to D0 without No_Soft_Reset
 * @VGPU_RESET_NEW_CLIENT: another client connected: the state and all memory
 *                         were zeroed before, nothing of the last one is left
 * @VGPU_RESET_DMA: the client took memory back, and the driver did not let go
 *                  of it in time: stop using any, the core has taken it away.
 *                  The guest knows nothing of this reset: config space,
 *                  MSI-X table and the level of INTx stay as they are.
 */
enum vgpu_reset_reason {
	VGPU_RESET_CLIENT = 0,
	VGPU_RESET_FLR = 1,
	VGPU_RESET_PM = 2,
	VGPU_RESET_NEW_CLIENT = 3,
	VGPU_RESET_DMA = 4,
	VGPU_NUM_RESET_REASONS,
};

/**
 * struct vgpu_device_ops - an instance half: what the core asks of an instance
 * @size: bytes of the driver's structure for an instance, which begins with a
 *        struct vgpu_device; 0: it needs no more than that
 * @state: what is in an instance's state (VGPU_STATE())
 * @pci: what all instances look like; NULL: @create says it for each by
 *       vgpu_device_init()
 * @create: make it what it is: @dev is the instance's structure, zeroed, with
 *          its type filled in. Describe the function by vgpu_device_init(),
 *          unless there is @pci: then that is done already. What is left
 *          to undo when it fails is the driver's; no other op follows.
 *          Optional with @pci.
 * @destroy: optional. Release what the driver holds. Then the core lets go of
 *           the rest, and frees the structure.
 * @reset: bring the registers to their power-on values. Memory of mapped areas
 *         keeps its contents. Also called once after creation, with
 *         VGPU_RESET_NEW_CLIENT. Config space, the MSI-X table and the level
 *         of INTx are at their power-on values by then (but see
 *         VGPU_RESET_DMA), so an INTx that is still due is to be raised anew.
 *         NULL: the state is zeroed, which is all there is to do.
 * @client_gone: optional. The client went away; drop what is its own. The
 *               device is reset when another one comes.
 * @dma_unmap: optional. The client takes [@iova, @iova + @size) back, and the
 *             driver has pinned or holds some of it (<vgpu/dma.h>). Let go of
 *             it now and return 0, or return -EINPROGRESS and call
 *             vgpu_dma_unmap_done() within 2 seconds; the client waits.
 * @dma_lost: optional. The client truncated the file behind its memory:
 *            @pages of it read as zeroes now, whatever they held.
 * @parent_message: for drivers with a parent half (<vgpu/parent.h>). Bytes from
 *                  it; @msg is aligned to 8.
 * @parent_gone: optional. The parent's process has ended, and with it all that
 *               was asked of it; no job of it uses memory any more. The core
 *               ends this instance's process after that.
 * @parent_kick: optional. vgpu_instance_kick() was called, once or more, since
 *               this op ran last: look at what the halves share.
 */
struct vgpu_device_ops {
	size_t size;
	struct vgpu_state_desc state;
	const struct vgpu_pci_desc *pci;
	int (*create)(struct vgpu_device *dev);
	void (*destroy)(struct vgpu_device *dev);
	void (*reset)(struct vgpu_device *dev, enum vgpu_reset_reason reason);
	void (*client_gone)(struct vgpu_device *dev);
	int (*dma_unmap)(struct vgpu_device *dev, uint64_t iova, uint64_t size);
	void (*dma_lost)(struct vgpu_device *dev, uint32_t pages);
	void (*parent_message)(struct vgpu_device *dev, const void *msg,
			       size_t len);
	void (*parent_gone)(struct vgpu_device *dev);
	void (*parent_kick)(struct vgpu_device *dev);
};

/**
 * struct vgpu_device - an instance
 * @type: which of the driver's types
 * @state: its state, as the driver has described it; NULL: it has none, or
 *         vgpu_device_init() was not called yet
 * @core: private to the core
 *
 * A driver with more to keep begins a structure of its own with it, says how
 * large that is (@size of its ops), and gets back to it by vgpu_container_of().
 *
 * The state is the core's, zeroed at creation and before
 * VGPU_RESET_NEW_CLIENT; its address is stable while the process lives. Fixed.
 */
struct vgpu_device {
	const struct vgpu_type *type;
	void *state;
	struct vgpu_core *core;
};

/**
 * vgpu_device_init() - say what an instance looks like, in the create op
 * @dev: the instance
 * @pci: what the function looks like; copied (but see @rom and @ops in it)
 *
 * Afterwards @state is there, and vgpu_device_memory() works. The first reset
 * op follows when create has returned.
 *
 * Return: 0; -EINVAL for a description that no PCI function could have (what is
 * wrong is logged); -ENOMEM; -E2BIG for a limit of the core, or a structure of
 * a later interface that asks for what this core does not know; -EALREADY:
 * called twice. On failure nothing is left to undo.
 */
VGPU_API int vgpu_device_init(struct vgpu_device *dev,
			      const struct vgpu_pci_desc *pci);

/**
 * vgpu_device_fini() - undo vgpu_device_init(), in the destroy op
 * @dev: the instance
 *
 * For drivers with something that must not go before: an IOMMU backend of their
 * own. The core calls it for all others. No op is called afterwards.
 */
VGPU_API void vgpu_device_fini(struct vgpu_device *dev);

/**
 * vgpu_device_memory() - memory behind a mapped or memory area
 * @dev: the instance
 * @region: VGPU_REGION_BAR0..5
 * @offset: in the region, bytes
 * @len: bytes that will be used from there
 *
 * The client writes it at any moment: read each value once. The address is
 * stable, the contents are zeroed before VGPU_RESET_NEW_CLIENT.
 *
 * Return: the address, or NULL if [@offset, @offset + @len) is not inside one
 * mapped or memory area.
 */
VGPU_API void *vgpu_device_memory(struct vgpu_device *dev, unsigned region,
				  uint64_t offset, uint64_t len);

/**
 * vgpu_pci_cap_load() - bytes of a vendor's capability, as the guest sees them
 * vgpu_pci_cap_store() - replace them, whatever the guest's mask says
 * @dev: the instance
 * @cap: which of the description's, from 0
 * @offset: bytes from the capability's start; to store: from 2 on
 * @buf: @len bytes
 * @len: bytes
 *
 * What is stored lasts until the next reset. Only capabilities with ops can be
 * stored to. Calls none of the ops.
 *
 * Return: 0; -EINVAL: there is no such capability, or the bytes are not inside
 * it; -EPERM: it has no ops.
 */
VGPU_API int vgpu_pci_cap_load(struct vgpu_device *dev, unsigned cap,
			       unsigned offset, void *buf, size_t len);
VGPU_API int vgpu_pci_cap_store(struct vgpu_device *dev, unsigned cap,
				unsigned offset, const void *buf, size_t len);

/* ------------------------------------------------------------------ */
/* Interrupts                                                          */
/* ------------------------------------------------------------------ */

/**
 * enum vgpu_irq_index - interrupt types of a PCI device
 * @VGPU_IRQ_INTX: the pin, for vgpu_intx_set(); one if @intx_pin is set
 * @VGPU_IRQ_MSI: @msi_vectors messages
 * @VGPU_IRQ_MSIX: @msix_vectors messages
 * @VGPU_IRQ_ERR: the device is broken beyond repair. QEMU stops the whole VM
 *                for good: think twice.
 * @VGPU_IRQ_REQ: the device is wanted back; QEMU's vfio-user client does not
 *                listen to it
 *
 * Numbered as VFIO numbers them (VFIO_PCI_*_IRQ_INDEX in <linux/vfio.h>).
 */
enum vgpu_irq_index {
	VGPU_IRQ_INTX = 0,
	VGPU_IRQ_MSI,
	VGPU_IRQ_MSIX,
	VGPU_IRQ_ERR,
	VGPU_IRQ_REQ,
	VGPU_NUM_IRQS,
};

/**
 * vgpu_irq_signal() - send one message of MSI, MSI-X, ERR or REQ
 * @dev: the instance
 * @index: VGPU_IRQ_MSI and so on, not VGPU_IRQ_INTX
 * @vector: 0-based
 *
 * Any thread. A vector of an enabled index that has no eventfd yet becomes
 * pending and is sent when it gets one; an index that the client has not
 * enabled drops it.
 *
 * Return: 0; -EINVAL: no such vector.
 */
VGPU_API int vgpu_irq_signal(struct vgpu_device *dev,
			     enum vgpu_irq_index index, unsigned vector);

/**
 * vgpu_intx_set() - drive the level of the interrupt pin
 * @dev: the instance
 * @asserted: the level
 *
 * Any thread. The core does masking, resampling and the Interrupt Disable
 * and Interrupt Status bits. Drive the level as the pin has it, also while
 * the guest uses MSI or MSI-X (it may go back). Without a pin nothing happens.
 */
VGPU_API void vgpu_intx_set(struct vgpu_device *dev, bool asserted);

/**
 * vgpu_irq_enabled() - which of INTx, MSI, MSI-X the guest has chosen
 * @dev: the instance
 *
 * Any thread. Return: VGPU_IRQ_MSIX, VGPU_IRQ_MSI or VGPU_IRQ_INTX.
 */
VGPU_API enum vgpu_irq_index vgpu_irq_enabled(struct vgpu_device *dev);

/* ------------------------------------------------------------------ */
/* Time                                                                */
/* ------------------------------------------------------------------ */

struct vgpu_timer;

/**
 * vgpu_timer_new() - a timer of the instance, disarmed at first
 * @dev: the instance; on its loop, from vgpu_device_init() on
 * @fn: called on the instance's loop when it fires
 *
 * Return: 0; -ENOMEM; -EMFILE.
 */
VGPU_API int vgpu_timer_new(struct vgpu_device *dev, void (*fn)(void *user),
			    void *user, struct vgpu_timer **ret_timer);

/* Fire once, in @ns nanoseconds of CLOCK_MONOTONIC; 0: disarm. On the loop. */
VGPU_API int vgpu_timer_arm(struct vgpu_timer *timer, uint64_t ns);

/* On the loop, also in its own callback; before vgpu_device_fini(). NULL is
 * fine. */
VGPU_API void vgpu_timer_free(struct vgpu_timer *timer);

/** VGPU_MAX_ENGINES - engines whose time is told apart */
#define VGPU_MAX_ENGINES 8u

/**
 * vgpu_device_account() - say how much of a shared engine the vGPU has had
 * @dev: the instance; any thread
 * @engine: below VGPU_MAX_ENGINES; what each is, the driver's documents say
 * @ns_total: nanoseconds since the instance was made; they never get less
 *
 * For people who look (vgpuctl top); nothing depends on it.
 */
VGPU_API void vgpu_device_account(struct vgpu_device *dev, unsigned engine,
				  uint64_t ns_total);

/* ------------------------------------------------------------------ */
/* Log                                                                 */
/* ------------------------------------------------------------------ */

/** enum vgpu_log_level - syslog's priorities that are in use here */
enum vgpu_log_level {
	VGPU_LOG_ERROR = 3,
	VGPU_LOG_WARNING = 4,
	VGPU_LOG_INFO = 6,
	VGPU_LOG_DEBUG = 7,
};

/**
 * vgpu_log() - one line, prefixed with the instance and its type
 * @dev: the instance, or NULL
 * @level: a driver uses VGPU_LOG_DEBUG, and warnings where the operator can
 *         do something
 * @fmt: printf's; no newline at the end
 *
 * Any thread. Rate-limited per instance, so a guest can't fill the disk.
 */
VGPU_API void vgpu_log(struct vgpu_device *dev, enum vgpu_log_level level,
		       const char *fmt, ...) VGPU_PRINTF(3, 4);

/* ------------------------------------------------------------------ */
/* Types and the module                                                */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_type - a flavour of vGPU that the driver offers
 * @name: <driver>-<flavour>, [a-z0-9.-], at most 63 bytes
 * @description: one line for people
 * @vram_size: bytes of video memory one instance takes
 * @xres: preferred width in pixels, 0: no display
 * @yres: preferred height in pixels
 * @data: the driver's own
 */
struct vgpu_type {
	const char *name;
	const char *description;
	uint64_t vram_size;
	uint32_t xres;
	uint32_t yres;
	const void *data;
};

struct vgpu_parent_ops;

/**
 * struct vgpu_driver - a driver module
 * @name: [a-z0-9-], at most 31 bytes
 * @version: the driver's own version, for people
 * @description: one line for people
 * @types: array of @n_types
 * @n_types: at least 1
 * @instance: the instance half
 * @parent: the parent half's ops (<vgpu/parent.h>); NULL: instances of this
 *          driver share nothing, and run without a vgpu-parent
 */
struct vgpu_driver {
	const char *name;
	const char *version;
	const char *description;
	const struct vgpu_type *types;
	size_t n_types;
	const struct vgpu_device_ops *instance;
	const struct vgpu_parent_ops *parent;
};

/**
 * struct vgpu_module - what a module exports
 * @abi: VGPU_DRIVER_ABI; the first member for ever
 * @size: sizeof(struct vgpu_module)
 * @driver: the driver
 * @driver_size: sizeof(struct vgpu_driver), as the driver was compiled with
 *
 * and likewise for each structure that it can reach. Made by
 * VGPU_DRIVER_MODULE(); a structure that comes into the interface later is
 * added at the end.
 */
struct vgpu_module {
	uint32_t abi;
	uint32_t size;
	const struct vgpu_driver *driver;
	uint32_t driver_size;
	uint32_t type_size;
	uint32_t device_ops_size;
	uint32_t pci_desc_size;
	uint32_t area_size;
	uint32_t mmio_ops_size;
	uint32_t pci_cap_size;
	uint32_t pci_cap_ops_size;
	uint32_t parent_ops_size;
};

/* <vgpu/parent.h> knows better. */
#ifndef VGPU_PARENT_OPS_SIZE
#define VGPU_PARENT_OPS_SIZE 0
#endif

/** VGPU_MODULE_INIT() - a struct vgpu_module of @drv, with all sizes */
#define VGPU_MODULE_INIT(drv)                                                  \
	{                                                                      \
		VGPU_DRIVER_ABI, sizeof(struct vgpu_module), (drv),            \
			sizeof(struct vgpu_driver), sizeof(struct vgpu_type),  \
			sizeof(struct vgpu_device_ops),                        \
			sizeof(struct vgpu_pci_desc),                          \
			sizeof(struct vgpu_area),                              \
			sizeof(struct vgpu_mmio_ops),                          \
			sizeof(struct vgpu_pci_cap),                           \
			sizeof(struct vgpu_pci_cap_ops), VGPU_PARENT_OPS_SIZE, \
	}

/** VGPU_DRIVER_SYMBOL - name of the symbol that a module exports */
#define VGPU_DRIVER_SYMBOL "vgpu_driver_module"

/** VGPU_DRIVER_MODULE() - export @drv, a struct vgpu_driver, from the module */
#define VGPU_DRIVER_MODULE(drv)                                                \
	extern const struct vgpu_module vgpu_driver_module;                    \
	VGPU_API const struct vgpu_module vgpu_driver_module =                 \
		VGPU_MODULE_INIT(&(drv))

#ifdef __cplusplus
}
#endif
#endif
