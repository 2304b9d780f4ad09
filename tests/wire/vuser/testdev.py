# SPDX-License-Identifier: MIT
"""The test device (drivers/testdev) as its tests use it: its DMA engine, and memory that is served by messages."""
import errno
import struct
import time

from . import proto
from .channel import PATIENCE
from .proto import Cmd

MIB = 1 << 20
PAGE = 4096
MESSAGE_MAX = 64 << 10  # of one DMA message: QEMU may cut longer ones short
BUFFER = 128 << 10      # the engine's memory: in BAR4 from here on, as large
READ, WRITE, READ_ASYNC, WRITE_ASYNC, CANCEL, GET, PUT, PIN, READ_PINNED = range(1, 10)
REGS = 0xB00


class Engine:
    """The DMA registers of the test device."""

    def __init__(self, client):
        self.client = client

    def _reg(self, offset):
        return self.client.read(proto.BAR0, REGS + offset, 4)

    def start(self, op, iova, length):
        self.client.region_write(proto.BAR0, REGS, struct.pack("<QI", iova, length))
        self.client.write(proto.BAR0, REGS + 0x0C, 4, op)

    def run(self, op, iova, length):
        """Start, and serve the server's requests until it is over; returns the errno."""
        done = self.done
        self.start(op, iova, length)
        self.wait(lambda: self.done != done)
        return self.result

    def wait(self, condition=None):
        """Ask until it is so; by default until nothing is under way."""
        deadline = time.monotonic() + PATIENCE
        while not (condition() if condition else self.under_way == 0):
            assert time.monotonic() < deadline, "the copy does not end"

    under_way = property(lambda self: self._reg(0x0C))
    result = property(lambda self: self._reg(0x10))
    done = property(lambda self: self._reg(0x14))
    held = property(lambda self: self._reg(0x18))
    unmaps = property(lambda self: self._reg(0x1C))
    lost = property(lambda self: self._reg(0x20))
    pinned = property(lambda self: self._reg(0x28))

    def keep(self, value):
        self.client.write(proto.BAR0, REGS + 0x24, 4, value)

    def buffer(self, length, offset=0):
        return self.client.region_read(proto.BAR4, BUFFER + offset, length)

    def fill(self, data):
        self.client.region_write(proto.BAR4, BUFFER, data)


class Guest:
    """Memory that the client keeps to itself and serves by messages, noting each request."""

    def __init__(self, client, base, size):
        self.base, self.data, self.requests = base, bytearray(size), []
        client.on_command = self.serve

    def serve(self, frame):
        address, count = proto.DMA_ACCESS.unpack_from(frame.payload)
        body = frame.payload[proto.DMA_ACCESS.size:]
        assert frame.flags == proto.COMMAND and frame.error == 0 and not frame.fds
        assert len(body) == (count if frame.cmd == Cmd.DMA_WRITE else 0)
        self.requests.append((Cmd(frame.cmd), address, count))
        at = address - self.base
        if not 0 <= at <= len(self.data) - count:
            return errno.ENODEV
        if frame.cmd == Cmd.DMA_WRITE:
            self.data[at:at + count] = body
            return proto.DMA_ACCESS.pack(address, count)
        return proto.DMA_ACCESS.pack(address, count) + self.data[at:at + count]
