# SPDX-License-Identifier: MIT
"""A short, complete session as raw messages, for tests that cut it, mix it or die in it."""
import os

from . import proto
from .profiles import QEMU_JSON
from .proto import Cmd

MIB = 1 << 20


def read_request(msg_id, count=4, region=proto.CONFIG, offset=0):
    return proto.message(msg_id, Cmd.REGION_READ, proto.REGION_ACCESS.pack(offset, region, count))


def conversation():
    """(message, number of fds) of a short, complete session."""
    return [
        (proto.message(1, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON), 0),
        (proto.message(2, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB)), 1),
        (proto.message(3, Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0)), 0),
        (proto.message(4, Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(4096, 0, 0, 0, 0, 0)), 0),
        (proto.message(5, Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(0x3C, proto.CONFIG, 1) + b"\x05"), 0),
        (read_request(6, 256), 0),
        (proto.message(7, Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, 0x24, proto.ERR, 0, 1)), 1),
        (proto.message(8, Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB)), 0),
        (proto.message(9, Cmd.DEVICE_RESET), 0),
    ]


def collect(channel, count):
    for n in range(count):
        frame = channel.recv()
        for fd in frame.fds:
            os.close(fd)
        assert frame.id == n + 1 and not frame.is_error, f"reply {n + 1}: {frame}"
