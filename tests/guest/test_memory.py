# SPDX-License-Identifier: MIT
"""Guest memory that comes and goes under a device that uses it."""

import errno
import re

import pytest

from lib import paths, qemu
from lib.linux import LinuxGuest

pytestmark = pytest.mark.kernel

# The test device's registers in BAR0 (drivers/testdev/engine.c).
IOVA_LO, IOVA_HI, LENGTH, OP, RESULT, HELD, UNMAPS, PINNED = (0xb00, 0xb04, 0xb08, 0xb0c, 0xb10, 0xb18, 0xb1c, 0xb28)
OP_GET, OP_PIN, OP_READ_PINNED = 6, 8, 9
ADDRESS = '0000:00:04.0'


class Registers:
    """The device's registers, from the guest's shell."""

    def __init__(self, guest):
        self.guest = guest
        self.base = int(guest.run(f"head -1 /sys/bus/pci/devices/{ADDRESS}/resource").split()[0], 16)
        guest.run(f'echo 1 > /sys/bus/pci/devices/{ADDRESS}/enable')

    def read(self, register):
        return int(self.guest.run(f'devmem {self.base + register:#x} 32').split()[-1], 16)

    def write(self, register, value):
        self.guest.run(f'devmem {self.base + register:#x} 32 {value:#x}')

    def _do(self, op, address=0, length=4096):
        for register, value in ((IOVA_LO, address & 0xffffffff), (IOVA_HI, address >> 32), (LENGTH, length), (OP, op)):
            self.write(register, value)
        return self.read(RESULT)

    def hold(self, address):
        """Has the device hold a page of guest memory, and pin the four behind it for its DMA."""
        assert self._do(OP_GET, address) == 0
        assert self._do(OP_PIN, address + 4096, 4 * 4096) == 0
        assert self._do(OP_READ_PINNED) == 0
        assert (self.read(HELD), self.read(PINNED)) == (1, 4)

    def nothing_is_held(self):
        """Nor would the device get at what it had pinned."""
        return (self.read(HELD), self.read(PINNED)) == (0, 0) and self._do(OP_READ_PINNED) == errno.ENXIO


def test_virtual_iommu(folder, server):
    """The guest has an IOMMU of its own before the device, and maps page by page."""
    device = server('testdev')
    arguments = ['-device', 'intel-iommu,intremap=on,caching-mode=on',
                 *qemu.vfio_user(device.socket, addr='04.0')]
    with LinuxGuest(folder, '6.12', arguments, ['vfio_pci', 'vfio_iommu_type1'],
                    [paths.guest_program('viommu')], command_line='intel_iommu=on') as guest:
        guest.ready()
        guest.run(f'echo vfio-pci > /sys/bus/pci/devices/{ADDRESS}/driver_override && '
                  f'echo {ADDRESS} > /sys/bus/pci/drivers_probe')
        said = guest.run(f'viommu {ADDRESS}', check=False)
        assert not re.findall('^FAILED', said, re.M), said
        end = re.search(r'^end: (\d+) checks, 0 failed$', said, re.M)
        assert end and int(end[1]) >= 15, said
        requests = device.stats()['requests']
        assert requests['dma_map'] > 600
        assert 'its context is reset' in device.log()


def test_memory_is_unplugged(folder, server):
    """A DIMM goes while the device holds a page of it, and has pinned others."""
    device = server('testdev')
    memory = ['-m', '256M,slots=2,maxmem=2G', *qemu.memory()[2:]]
    with LinuxGuest(folder, '6.12', qemu.vfio_user(device.socket, addr='04.0'), memory=memory,
                    command_line='memhp_default_state=online_movable') as guest:
        guest.ready()
        registers = Registers(guest)
        before = device.stats()['dma']
        guest.qmp.execute('object-add', **{'qom-type': 'memory-backend-memfd', 'id': 'more',
                                           'size': 256 << 20, 'share': True})
        guest.qmp.execute('device_add', driver='pc-dimm', id='dimm', memdev='more')
        guest.run('n=0; until grep -q "Movable" /proc/zoneinfo && '
                  '[ $(awk "/MemTotal/ {print \\$2}" /proc/meminfo) -gt 400000 ] || [ $n -ge 300 ]; '
                  'do n=$((n + 1)); usleep 100000; done')
        plugged = device.stats()['dma']
        assert plugged['mapped'] - before['mapped'] == 256 << 20
        at = [d['data']['addr'] for d in guest.qmp.execute('query-memory-devices')]
        registers.hold(at[0] + (64 << 20))
        assert device.stats()['dma']['pinned'] - before['pinned'] == 4 * 4096
        guest.qmp.execute('device_del', id='dimm')
        guest.vm.qmp.wait_event('DEVICE_DELETED', 60)
        assert registers.read(UNMAPS) == 1
        assert registers.nothing_is_held()
        assert device.stats()['dma'] == before


def test_guest_reboots_with_held_memory(folder, server):
    device = server('testdev')
    with LinuxGuest(folder, '6.12', qemu.vfio_user(device.socket, addr='04.0')) as guest:
        guest.ready()
        Registers(guest).hold(0x1000000)
        guest.commands.send('reboot -f')
        guest.ready()
        registers = Registers(guest)
        assert registers.nothing_is_held()
        registers.hold(0x1000000)
