# SPDX-License-Identifier: MIT
"""One physical edu device, shared by three vGPUs: all of it runs in the guest.

The device is QEMU's, behind QEMU's intel-iommu, and bound to vfio-pci.
"""

import re

import pytest

from lib import paths
from lib.linux import LinuxGuest

pytestmark = pytest.mark.kernel

EDU = '0000:00:04.0'
WORKERS = 3


def boot(folder, kernel):
    return LinuxGuest(folder, kernel,
                      ['-device', 'intel-iommu,intremap=on', '-device', f'edu,addr={EDU[-4:]}'],
                      ['vfio_pci', 'vfio_iommu_type1'], [paths.guest_program('physical')],
                      command_line='intel_iommu=on',
                      dynamic=[paths.guest_build('programs/vgpu-parent/vgpu-parent'),
                               paths.guest_build('programs/vgpu-device/vgpu-device'),
                               paths.guest_build('drivers/edu.so'), paths.guest_program('educlient')])


def until(guest, condition, what):
    """Waits in the guest."""
    guest.run(f'n=0; until {condition}; do n=$((n + 1)); [ $n -lt 600 ] || {{ echo "never: {what}"; '
              'cat /tmp/*.log; false; break; }; usleep 50000; done')


def start_worker(guest, i):
    guest.run(f'rm -f /tmp/{i}.sock; vgpu-device --sandbox strict --type edu --driver /lib/edu.so --parent-socket /tmp/p.sock '
              f'--socket-path /tmp/{i}.sock > /tmp/w{i}.log 2>&1 & echo $! > /tmp/w{i}.pid')
    until(guest, f'grep -q serving /tmp/w{i}.log', f'worker {i} serves')


def start_client(guest, name, worker, arguments):
    guest.run(f'educlient /tmp/{worker}.sock {arguments} > /tmp/{name}.log 2>&1 & echo $! > /tmp/{name}.pid')


def finish(guest, *names):
    for name in names:
        until(guest, f'grep -qE "^passed|^FAILED" /tmp/{name}.log', name)
        said = guest.run(f'cat /tmp/{name}.log')
        assert re.search('^passed', said, re.M), f'{name}: {said}\n{guest.run("cat /tmp/parent.log")}'


def faults(guest):
    return re.findall(r'DMAR:.*fault addr.*', guest.run('dmesg'))


@pytest.mark.parametrize('kernel', [pytest.param('6.1', marks=pytest.mark.long), 'newest'])
def test_physical_edu_is_shared(folder, kernel):
    with boot(folder, kernel) as guest:
        guest.ready()
        guest.run('export LD_LIBRARY_PATH=/lib; ip link set lo up 2> /dev/null; '
                  f'echo vfio-pci > /sys/bus/pci/devices/{EDU}/driver_override && '
                  f'echo {EDU} > /sys/bus/pci/drivers_probe')
        guest.run(f'vgpu-parent --driver /lib/edu.so --parent-config pci={EDU} --socket-path /tmp/p.sock '
                  '--sandbox strict --log-level debug > /tmp/parent.log 2>&1 & echo $! > /tmp/parent.pid')
        until(guest, 'grep -q sharing /tmp/parent.log', 'the parent serves')
        for i in range(WORKERS):
            start_worker(guest, i)

        # Three at once; one of them takes memory back in mid-transfer.
        for i in range(WORKERS):
            start_client(guest, f'c{i}', i, f'{i + 1} 2 {"unmap" if i == 1 else ""}')
        finish(guest, *(f'c{i}' for i in range(WORKERS)))

        # A client is killed in mid-transfer, and a worker; another one goes on.
        start_client(guest, 'neighbour', 2, '7 3')
        for i, victim in enumerate(('v0', 'w1')):
            start_client(guest, f'v{i}', i, f'{i + 4} 0 start')
            until(guest, f'grep -q started /tmp/v{i}.log', 'the transfer')
            guest.run(f'kill -9 $(cat /tmp/{victim}.pid)')
        until(guest, 'grep -q "vgpu-device has gone" /tmp/parent.log', 'the worker is missed')
        start_worker(guest, 1)
        for i in range(2):  # who comes next finds zeroes
            start_client(guest, f'heir{i}', i, f'{i + 6} 1')
        finish(guest, 'heir0', 'heir1', 'neighbour')

        assert not faults(guest), '\n'.join(faults(guest))
        guest.run('kill $(cat /tmp/parent.pid); wait $(cat /tmp/parent.pid)')
        said = guest.run('cat /tmp/parent.log')
        assert 'hangs' not in said and "can't be reset" not in said, said

        # The IOMMU was in the way all along: wrong addresses are stopped.
        guest.run(f'physical {EDU}')
        assert faults(guest)
