# SPDX-License-Identifier: MIT
"""Numbers and layouts of vfio-user (docs/interop/vfio-user.rst) and of the parts of linux/vfio.h it borrows."""
import enum
import struct
from dataclasses import dataclass, field


class Cmd(enum.IntEnum):
    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11
    DMA_WRITE = 12
    DEVICE_RESET = 13
    DIRTY_PAGES = 14  # of older drafts; gone from the specification
    REGION_WRITE_MULTI = 15
    DEVICE_FEATURE = 16
    MIG_DATA_READ = 17
    MIG_DATA_WRITE = 18


# Header: message id, command, size with the header, flags, error.
HEADER = struct.Struct("<HHIII")
TYPE_MASK = 0xF
COMMAND = 0x0
REPLY = 0x1
NO_REPLY = 0x10
ERROR = 0x20

VERSION = struct.Struct("<HH")                # major, minor; JSON and a NUL may follow
DMA_MAP = struct.Struct("<IIQQQ")             # argsz, flags, offset, address, size
DMA_UNMAP = struct.Struct("<IIQQ")            # argsz, flags, address, size
DEVICE_INFO = struct.Struct("<IIII")          # argsz, flags, num_regions, num_irqs
REGION_INFO = struct.Struct("<IIIIQQ")        # argsz, flags, index, cap_offset, size, offset
CAP_HEADER = struct.Struct("<HHI")            # id, version, next
SPARSE_HEAD = struct.Struct("<II")            # nr_areas, reserved
SPARSE_AREA = struct.Struct("<QQ")            # offset, size
IO_FDS = struct.Struct("<IIII")               # argsz, flags, index, count
IO_FD_ENTRY = struct.Struct("<QQIIIIQ")       # offset, size, fd_index, type, flags, padding, datamatch
IRQ_INFO = struct.Struct("<IIII")             # argsz, flags, index, count
IRQ_SET = struct.Struct("<IIIII")             # argsz, flags, index, start, count; data may follow
REGION_ACCESS = struct.Struct("<QII")         # offset, region, count
DMA_ACCESS = struct.Struct("<QQ")             # address, count
# The specification's table gives the reply to DMA_WRITE a 4-byte count; every
# implementation sends the request's 16 bytes back, and so do we.
WRITE_MULTI = struct.Struct("<Q")             # wr_cnt
WRITE_MULTI_ENTRY = struct.Struct("<QII8s")   # offset, region, count, data
FEATURE = struct.Struct("<II")                # argsz, flags
MIG_DATA = struct.Struct("<II")               # argsz, size

DMA_READABLE = 1
DMA_WRITEABLE = 2
DMA_RW = 3
DMA_UNMAP_ALL = 2  # VFIO_DMA_UNMAP_FLAG_ALL of linux/vfio.h; the specification reserves all flags

DEVICE_RESET_SUPPORTED = 1
DEVICE_PCI = 2

REGION_READABLE = 1
REGION_WRITEABLE = 2
REGION_MMAP = 4
REGION_CAPS = 8
CAP_SPARSE_MMAP = 1

# PCI region indexes of linux/vfio.h
BAR0, BAR1, BAR2, BAR3, BAR4, BAR5, ROM, CONFIG, VGA = range(9)
NUM_PCI_REGIONS = 9
# PCI interrupt indexes of linux/vfio.h
INTX, MSI, MSIX, ERR, REQ = range(5)
NUM_PCI_IRQS = 5

IRQ_EVENTFD = 1
IRQ_MASKABLE = 2
IRQ_AUTOMASKED = 4
IRQ_NORESIZE = 8

DATA_NONE = 1
DATA_BOOL = 2
DATA_EVENTFD = 4
ACTION_MASK = 8
ACTION_UNMASK = 16
ACTION_TRIGGER = 32

IO_FD_TYPE_IOEVENTFD = 0
IO_FD_TYPE_IOREGIONFD = 1

FEATURE_GET = 1 << 16
FEATURE_SET = 1 << 17
FEATURE_PROBE = 1 << 18
FEATURE_MIGRATION = 1
FEATURE_MIG_DEVICE_STATE = 2
FEATURE_DMA_LOGGING_START = 6
FEATURE_DMA_LOGGING_STOP = 7
FEATURE_DMA_LOGGING_REPORT = 8

DEFAULT_MAX_DATA_XFER = 1 << 20


class ProtocolError(Exception):
    """The server broke the protocol: always a failure, never an answer."""


@dataclass
class Frame:
    """One message as it came off the socket; the holder closes its fds."""
    id: int
    cmd: int
    flags: int
    error: int
    payload: bytes
    fds: list = field(default_factory=list)

    @property
    def is_reply(self):
        return self.flags & TYPE_MASK == REPLY

    @property
    def is_error(self):
        return bool(self.flags & ERROR)


def header(msg_id, cmd, size, flags=COMMAND, error=0):
    """16 bytes of header; every field is the caller's to lie about."""
    return HEADER.pack(msg_id & 0xFFFF, cmd & 0xFFFF, size & 0xFFFFFFFF, flags, error)


def message(msg_id, cmd, payload=b"", flags=COMMAND, error=0):
    """A whole, truthful message."""
    return header(msg_id, cmd, HEADER.size + len(payload), flags, error) + payload


@dataclass
class RegionInfo:
    argsz: int
    flags: int
    index: int
    cap_offset: int
    size: int
    offset: int
    caps: list          # (id, version, body bytes) in list order
    areas: list         # (offset, size) of the sparse mmap capability; None without one

    @property
    def mappable(self):
        return bool(self.flags & REGION_MMAP)


def parse_region_info(payload):
    """Decode a region info reply and walk its capability list, refusing every malformed link."""
    if len(payload) < REGION_INFO.size:
        raise ProtocolError(f"region info of {len(payload)} bytes")
    argsz, flags, index, cap_offset, size, offset = REGION_INFO.unpack_from(payload)
    if argsz < len(payload):
        raise ProtocolError(f"region info of {len(payload)} bytes says argsz {argsz}")
    if len(payload) not in (REGION_INFO.size, argsz):
        raise ProtocolError(f"region info neither short ({REGION_INFO.size}) nor full ({argsz}): {len(payload)}")
    caps, areas, seen = [], None, set()
    full = len(payload) == argsz
    at = cap_offset if full else 0
    if full and bool(flags & REGION_CAPS) != bool(cap_offset):
        raise ProtocolError(f"CAPS flag and cap_offset disagree: {flags:#x} {cap_offset}")
    while at:
        if at in seen or at % 8 or at < REGION_INFO.size or at + CAP_HEADER.size > len(payload):
            raise ProtocolError(f"capability at {at} of {len(payload)} bytes")
        seen.add(at)
        cap, version, nxt = CAP_HEADER.unpack_from(payload, at)
        end = nxt if nxt > at else len(payload)
        body = payload[at + CAP_HEADER.size:end]
        caps.append((cap, version, body))
        if cap == CAP_SPARSE_MMAP:
            if version != 1:
                raise ProtocolError(f"sparse mmap capability of version {version}")
            if areas is not None:
                raise ProtocolError("two sparse mmap capabilities")
            if len(body) < SPARSE_HEAD.size:
                raise ProtocolError(f"sparse mmap capability of {len(body)} bytes")
            count, _ = SPARSE_HEAD.unpack_from(body)
            if SPARSE_HEAD.size + count * SPARSE_AREA.size > len(body):
                raise ProtocolError(f"{count} sparse areas in {len(body)} bytes")
            areas = [SPARSE_AREA.unpack_from(body, SPARSE_HEAD.size + i * SPARSE_AREA.size) for i in range(count)]
        at = nxt
    return RegionInfo(argsz, flags, index, cap_offset, size, offset, caps, areas)
