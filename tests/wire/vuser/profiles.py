# SPDX-License-Identifier: MIT
"""The clients that exist, as far as a server can tell them apart.

QEMU's bytes were captured from QEMU 11.1.3; the others follow the published
sources of rust-vmm's vfio-user crate (what Cloud Hypervisor uses) and of
libvfio-user's samples/client.c.
"""
import json
import os
import time

from . import proto
from .channel import Channel, Closed, PATIENCE, Timeout
from .client import Client
from .proto import Cmd

QEMU_CAPS = {
    "pgsizes": 4096,
    "max_msg_fds": 16,
    "max_dma_maps": 65535,
    "max_data_xfer_size": 1048576,
    "migration": {"max_bitmap_size": 268435456, "pgsize": 4096},
    "write_multiple": True,
}
QEMU_JSON = json.dumps({"capabilities": QEMU_CAPS}).encode() + b"\0"
# QEMU receives the reply in the buffer of its request.
QEMU_VERSION_SIZE = 214

RUST_VMM_CAPS = {"max_msg_fds": 1, "max_data_xfer_size": 1048576, "migration": {"pgsize": 4096}}
RUST_VMM_JSON = json.dumps({"capabilities": RUST_VMM_CAPS}, separators=(",", ":")).encode() + b"\0"

LVU_CAPS = {"max_msg_fds": 32, "max_data_xfer_size": 1024}
LVU_JSON = json.dumps({"capabilities": LVU_CAPS}, separators=(",", ":")).encode() + b"\0"
LVU_MINOR = 2


class QemuClient(Client):
    """QEMU 11.1: asks for 0.0, pipelines its first DMA maps, reads in order."""

    def negotiate(self):
        self.next_id = 0
        return self.version(0, 0, data=QEMU_JSON, msg_id=0)

    def realize(self, ram_fd, ram_size):
        """What QEMU sends from connecting until the machine starts; returns what it learned."""
        self.negotiate()
        # Maps go out before anything is known of the device, and their replies are collected later.
        maps = [
            self.submit(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, proto.DMA_RW, 0, 0, ram_size), (ram_fd,)),
            self.submit(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, proto.DMA_READABLE, 0, 0xFFFC0000, 0x40000)),
        ]
        info = self.get_info()
        for msg_id in maps:
            self.wait(msg_id, Cmd.DMA_MAP)
        regions = {index: self.region_info(index) for index in (0, 1, 2, 3, 4, 5, proto.CONFIG)}
        err = self.irq_info(proto.ERR)
        config_size = regions[proto.CONFIG][0].size
        config = self.region_read(proto.CONFIG, 0, config_size)
        self.write(proto.CONFIG, 0x30, 4, 0xFFFFF800)
        rom = self.read(proto.CONFIG, 0x30, 4)
        self.write(proto.CONFIG, 0x30, 4, 0)
        return {"info": info, "regions": regions, "err": err, "config": config, "rom": rom}


class RustVmmClient:
    """rust-vmm's vfio-user crate: blocking, strictly serial, blind to the error bit.

    It reads as many bytes as the reply should have whatever the header says,
    so a shorter reply leaves it waiting: here a Timeout, there a hang.
    """

    def __init__(self, path):
        self.channel = Channel.connect(path)
        self.next_id = 0
        self.regions = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, fd in self.regions:
            if fd is not None:
                os.close(fd)
        self.channel.close()

    def read_exact(self, size, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        data = b""
        while len(data) < size:
            more, fds = self.channel._recv_some(size - len(data), deadline, f"{len(data)} of {size} bytes")
            for fd in fds:
                os.close(fd)
            if not more:
                raise Closed(f"end after {len(data)} of {size} bytes")
            data += more
        return data

    def recv_with_fd(self, size):
        """One recvmsg with room for one fd; a short read is this client's end."""
        data, fds = self.channel._recv_some(size, time.monotonic() + PATIENCE, "no reply")
        assert len(data) == size, f"{len(data)} of {size} bytes in the first piece"
        assert len(fds) <= 1, "more than the one fd that this client has room for"
        return data, (fds[0] if fds else None)

    def _send(self, cmd, payload, fds=(), size=None):
        size = proto.HEADER.size + len(payload) if size is None else size
        self.channel.send(proto.header(self.next_id, cmd, size) + payload, fds)
        self.next_id = (self.next_id + 1) & 0xFFFF

    def negotiate(self):
        self._send(Cmd.VERSION, proto.VERSION.pack(0, 1) + RUST_VMM_JSON)
        head = self.read_exact(20)
        size = proto.HEADER.unpack_from(head)[2]
        # serde: both keys that it knows have defaults, but migration, if there, needs its pgsize.
        text = self.read_exact(size - 20)
        caps = json.loads(text[:-1])["capabilities"]
        for key in ("max_msg_fds", "max_data_xfer_size"):
            assert 0 <= caps.get(key, 1) <= 0xFFFFFFFF and not isinstance(caps.get(key, 1), bool)
        if "migration" in caps:
            assert 0 <= caps["migration"]["pgsize"] <= 0xFFFFFFFF
        return proto.VERSION.unpack_from(head, 16), caps

    def get_regions(self):
        # argsz counts the header, which the specification does not.
        self._send(Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(32, 0, 0, 0))
        reply = self.read_exact(32)
        _, flags, num_regions, num_irqs = proto.DEVICE_INFO.unpack_from(reply, 16)
        assert flags & proto.DEVICE_PCI
        self.regions = [self.get_region_info(index) for index in range(num_regions)]
        return num_regions, num_irqs

    def get_region_info(self, index):
        msg_id = self.next_id
        self._send(Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(32, 0, index, 0, 0, 0))
        head, fd = self.recv_with_fd(48)
        argsz = proto.REGION_INFO.unpack_from(head, 16)[0]
        if argsz > 32:
            if fd is not None:
                os.close(fd)
            # The retry goes out under the id of the first request.
            self.next_id = msg_id
            self._send(Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(argsz, 0, index, 0, 0, 0))
            self.next_id = (self.next_id + 1) & 0xFFFF
            head, fd = self.recv_with_fd(48)
            size = proto.HEADER.unpack_from(head)[2]
            argsz = proto.REGION_INFO.unpack_from(head, 16)[0]
            assert argsz - 32 == size - 48, "this client asserts that the capabilities fill the reply"
            head += self.read_exact(argsz - 32)
        return proto.parse_region_info(head[16:]), fd

    def dma_map(self, address, size, fd, offset=0):
        self._send(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, proto.DMA_RW, offset, address, size), (fd,))
        return self.read_exact(16)

    def dma_unmap(self, address, size):
        self._send(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, address, size))
        return self.read_exact(40)

    def get_irq_info(self, index):
        self._send(Cmd.DEVICE_GET_IRQ_INFO, proto.IRQ_INFO.pack(16, 0, index, 0))
        return proto.IRQ_INFO.unpack_from(self.read_exact(32), 16)

    def set_irqs(self, index, flags, start, count, fds=()):
        self._send(Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, flags, index, start, count), fds)
        return self.read_exact(16)

    def region_read(self, region, offset, count):
        self._send(Cmd.REGION_READ, proto.REGION_ACCESS.pack(offset, region, count))
        self.read_exact(32)
        return self.read_exact(count)

    def region_write(self, region, offset, data):
        self._send(Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(offset, region, len(data)) + data)
        return self.read_exact(32)

    def reset(self):
        self._send(Cmd.DEVICE_RESET, b"")
        return self.read_exact(16)

    def in_step(self):
        """True while requests and replies still belong together (looking closer than the real one does)."""
        msg_id = self.next_id
        self._send(Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4))
        try:
            head = self.read_exact(32)
            self.read_exact(4)
        except (Timeout, Closed):
            return False
        return (head[:16] == proto.header(msg_id, Cmd.REGION_READ, 36, proto.REPLY)
                and head[16:] == proto.REGION_ACCESS.pack(0, proto.CONFIG, 4))


class LvuSampleClient(Client):
    """libvfio-user's samples/client.c: asks for 0.2, small transfers, sends argsz bytes of region info."""

    def negotiate(self):
        return self.version(0, LVU_MINOR, data=LVU_JSON, msg_id=0xDA55)

    def region_info_padded(self, index):
        """Its retry pads the request to the size of the reply that it expects."""
        info, fds = self.region_info_raw(index, msg_id=0xABCD)
        for fd in fds:
            os.close(fd)
        if info.argsz == proto.REGION_INFO.size:
            return info, None
        request = proto.REGION_INFO.pack(info.argsz, 0, index, 0, 0, 0).ljust(info.argsz, b"\0")
        frame = self.call_fds(Cmd.DEVICE_GET_REGION_INFO, request, msg_id=0xABCD)
        return proto.parse_region_info(frame.payload), (frame.fds[0] if frame.fds else None)
