# SPDX-License-Identifier: MIT
"""What a guest's firmware and kernel do with config space, through region 7."""
from . import proto

VENDOR, COMMAND, STATUS, CLASS, CACHE_LINE, HEADER_TYPE = 0x00, 0x04, 0x06, 0x08, 0x0C, 0x0E
BAR, SUBSYSTEM, ROM_BAR, CAP_POINTER, IRQ_LINE, IRQ_PIN = 0x10, 0x2C, 0x30, 0x34, 0x3C, 0x3D
CMD_IO, CMD_MEMORY, CMD_MASTER, CMD_INTX_DISABLE = 1, 2, 4, 0x400
STATUS_CAP_LIST, STATUS_INTX = 0x10, 0x08
CAP_PM, CAP_MSI, CAP_VENDOR, CAP_EXPRESS, CAP_MSIX = 0x01, 0x05, 0x09, 0x10, 0x11


class ConfigSpace:
    def __init__(self, client):
        self.client = client
        self.size = client.region_info(proto.CONFIG)[0].size

    def read(self, offset, size):
        return self.client.read(proto.CONFIG, offset, size)

    def write(self, offset, size, value):
        self.client.write(proto.CONFIG, offset, size, value)

    def all(self):
        return self.client.region_read(proto.CONFIG, 0, self.size)

    def caps(self):
        """(id, offset) of each capability, checking the list on the way."""
        found, seen = [], set()
        at = self.read(CAP_POINTER, 1)
        while at:
            assert at % 4 == 0 and 0x40 <= at <= 0xFC, f"capability pointer {at:#x}"
            assert at not in seen, "the capability list loops"
            seen.add(at)
            found.append((self.read(at, 1), at))
            at = self.read(at + 1, 1)
        return found

    def cap(self, cap_id):
        for found, at in self.caps():
            if found == cap_id:
                return at
        raise AssertionError(f"no capability {cap_id:#x}")

    def probe_bars(self):
        """Size the BARs as firmware does: {index: (kind, size, prefetchable)} with kind io, mem32 or mem64."""
        bars, index = {}, 0
        while index < 6:
            at = BAR + 4 * index
            old = self.read(at, 4)
            self.write(at, 4, 0xFFFFFFFF)
            mask = self.read(at, 4)
            self.write(at, 4, old)
            if mask & 1:
                assert mask & 2 == 0
                bars[index] = ("io", _size(mask & ~3 | 0xFFFF0000, 32), False)
            elif mask & 0xFFFFFFF0:
                kind = mask >> 1 & 3
                assert kind in (0, 2), f"BAR{index} type {kind}"
                prefetch = bool(mask & 8)
                if kind == 2:
                    high = self.read(at + 4, 4)
                    self.write(at, 4, 0xFFFFFFFF)
                    self.write(at + 4, 4, 0xFFFFFFFF)
                    wide = self.read(at + 4, 4) << 32 | self.read(at, 4) & 0xFFFFFFF0
                    self.write(at, 4, old)
                    self.write(at + 4, 4, high)
                    bars[index] = ("mem64", _size(wide, 64), prefetch)
                    index += 1
                else:
                    bars[index] = ("mem32", _size(mask & 0xFFFFFFF0, 32), prefetch)
            else:
                assert mask in (0, mask & 0xF), f"BAR{index} {mask:#x}"
            index += 1
        return bars


def _size(mask, bits):
    size = (1 << bits) - mask
    assert size & (size - 1) == 0, f"sizing mask {mask:#x} is no power of two"
    return size
