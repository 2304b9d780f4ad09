# SPDX-License-Identifier: MIT
"""A physical PCI function behind an IOMMU: QEMU's edu device and intel-iommu.

The program under test runs in the guest, where both are real to it.
"""

import os
import re

import pytest

from lib import paths
from lib.linux import LinuxGuest

pytestmark = pytest.mark.kernel

EDU = '0000:00:04.0'


def boot(folder, kernel, iommu='intel-iommu,intremap=on', command_line='intel_iommu=on'):
    devices = ['-device', iommu] if iommu else []
    return LinuxGuest(folder, kernel, [*devices, '-device', f'edu,addr={EDU[-4:]}'],
                      ['vfio_pci', 'vfio_iommu_type1'], [paths.guest_program('physical')],
                      command_line=command_line)


def bind(guest):
    guest.run(f'echo vfio-pci > /sys/bus/pci/devices/{EDU}/driver_override && '
              f'echo {EDU} > /sys/bus/pci/drivers_probe')


@pytest.mark.parametrize('kernel', [pytest.param('6.1', marks=pytest.mark.long), 'newest'])
def test_edu_is_shared_through_the_iommu(folder, kernel):
    with boot(folder, kernel) as guest:
        guest.ready()
        said = guest.run(f'physical {EDU}', check=False)
        assert 'not to vfio-pci' in said, said
        said = guest.run('physical 0000:00:1d.7', check=False)
        assert 'no PCI function 0000:00:1d.7' in said, said

        bind(guest)
        said = guest.run(f'physical {EDU}', check=False)
        assert not re.findall('^FAILED', said, re.M), said
        end = re.search(r'^end: (\d+) checks, 0 failed$', said, re.M)
        assert end and int(end[1]) >= 30, said

        # The kernel's log: the IOMMU stopped what it was said to, and nothing else.
        wanted = re.findall(r'^fault (read|write) 0x([0-9a-f]+)$', said, re.M)
        assert len(wanted) == 3
        log = guest.run('dmesg')
        seen = {(kind.lower(), int(at, 16)) for kind, at in
                re.findall(r'\[DMA (Read|Write)[^]]*\].*fault addr 0x([0-9a-f]+)', log)}
        assert seen, log[-3000:]
        assert seen == {(kind, int(at, 16)) for kind, at in wanted}


@pytest.mark.skipif('VGPU_IOMMUFD_KERNEL' not in os.environ, reason='VGPU_IOMMUFD_KERNEL names no kernel')
def test_edu_is_shared_through_iommufd(folder):
    """The same by the other door. Debian's kernels have no iommufd: a folder with a vmlinuz that has (CONFIG_IOMMUFD,
    VFIO_DEVICE_CDEV, VFIO_PCI, INTEL_IOMMU and IRQ_REMAP built in, VFIO_GROUP off) and its modules/modules.builtin."""
    test_edu_is_shared_through_the_iommu(folder, 'iommufd')


def test_without_an_iommu(folder):
    with boot(folder, '6.12', iommu=None, command_line='') as guest:
        guest.ready()
        guest.run(f'echo vfio-pci > /sys/bus/pci/devices/{EDU}/driver_override; '
                  f'echo {EDU} > /sys/bus/pci/drivers_probe', check=False)
        said = guest.run(f'physical {EDU}', check=False)
        assert 'no IOMMU' in said or 'not to vfio-pci' in said, said
