# SPDX-License-Identifier: MIT
"""A reference GPU's vGPU in a VM: a program in the guest computes on it through sysfs, and draws on its screen."""
import re
import sys

import pytest
from waiting import eventually

from lib import paths, qemu
from lib.linux import LinuxGuest
from lib.process import Process
from lib.vgpu import VgpuDevice

sys.path.append(str(paths.TOP / 'tests' / 'programs'))
import png  # noqa: E402

KERNEL = '6.12'
pytestmark = pytest.mark.kernel


@pytest.fixture
def parent(folder):
    """Its socket. It must end cleanly, when its vGPUs are gone."""
    socket = folder / 'parent.sock'
    process = Process([paths.program('vgpu-parent'), '--driver', paths.driver('refgpu'), '--parent-config', 'software',
                       '--socket-path', socket], folder / 'vgpu-parent.log')
    try:
        eventually(lambda: 'sharing' in process.log() or not process.running())
        yield socket
        assert process.running(), process.log()
        assert process.terminate() == 0, process.log()
    finally:
        process.close()


@pytest.fixture
def vgpu(parent, server):
    return server('refgpu-64m', arguments=['--parent-socket', parent])


def boot(folder, vgpu):
    return LinuxGuest(folder, KERNEL, qemu.vfio_user(vgpu.socket), [], [paths.guest_program('refgpu-guest')])


def pixels(path):
    width, height, rgb = png.decode(path.read_bytes())
    return width, height, [int.from_bytes(rgb[i:i + 3], 'big') for i in range(0, len(rgb), 3)]


def checksum(values):
    h = 2166136261
    for value in values:
        h = (h ^ value) * 16777619 & 0xffffffff
    return h


def rectangles(seed):
    """As the guest program draws them: (x, y, colour)."""
    for i in range(16):
        seed = (seed * 1664525 + 1013904223) & 0xffffffff
        yield i * 40, i * 26, seed & 0xffffff


def show(guest, seed):
    """What the guest says of the picture that it shows."""
    guest.run('[ ! -e /tmp/pid ] || { kill $(cat /tmp/pid); wait; }')
    guest.run(f'refgpu-guest show {seed} > /tmp/log & echo $! > /tmp/pid')
    said = guest.run('n=0; until grep -qE "showing|error" /tmp/log || [ $n -ge 1000 ]; do n=$((n + 1)); usleep 50000; done; '
                     'cat /tmp/log')
    found = re.search(r'showing mode=(\d+)x(\d+) checksum=(\w+)', said)
    assert found, said
    return int(found[1]), int(found[2]), int(found[3], 16)


def test_computes_and_draws(folder, vgpu):
    with boot(folder, vgpu) as guest:
        guest.ready()
        assert 'passed' in guest.run('refgpu-guest')
        for seed in (1, 2):
            width, height, want = show(guest, seed)
            shot = vgpu.screenshot(folder / 'screen.png')
            seen = pixels(shot)
            assert seen[:2] == (width, height)
            assert checksum(seen[2]) == want
            for x, y, colour in rectangles(seed):
                if x < 500 - 30:  # elsewhere is a copy of the first ones
                    assert seen[2][(y + 10) * width + x + 10] == colour
            assert seen[2][(10 + 5) * width + 500 + 5] == next(rectangles(seed))[2]


@pytest.mark.long
def test_killed_in_mid_job(folder, vgpu):
    """QEMU dies while the engine works; the next VM finds a vGPU that is as new."""
    for turn in range(2):
        own = folder / str(turn)
        own.mkdir()
        with boot(own, vgpu) as guest:
            guest.ready()
            assert 'passed' in guest.run('refgpu-guest')
            guest.commands.send('refgpu-guest work 100')
            guest.commands.wait_for(r'^\d+ \d+ [1-9]\d*$', 60)
            guest.vm.process.kill()
