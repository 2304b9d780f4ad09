# SPDX-License-Identifier: MIT
"""The bochs vGPU driven register by register by a guest without a system."""

import pytest

from lib import card, qemu
from lib.bare import BareGuest

SIZE = '640x400'


def attached(device):
    return qemu.vfio_user(device.socket)


@pytest.mark.parametrize('name', ['config', 'dispi', 'vram', 'config-writes'])
def test_bochs(folder, server, name):
    with BareGuest(folder, f'bochs-{name}', attached(server())) as guest:
        guest.finish()


@pytest.mark.parametrize('name, frames', [('screen', [1, 2]), ('reads', [3]), ('writes', [4])])
def test_bochs_screen(folder, server, name, frames):
    """After each ordeal the guest draws a card, and it is on the screen."""
    device = server()
    with BareGuest(folder, f'bochs-{name}', attached(device)) as guest:
        for frame in frames:
            guest.wait_for(f'^showing: {SIZE} frame {frame}$')
            card.compare(device.screenshot(folder / f'{frame}.png'), 'bare', frame, SIZE)
            guest.go_on()
        guest.finish()


def test_edid_prefers_the_types_mode(folder, server):
    device = server()
    with BareGuest(folder, 'bochs-edid', attached(device)) as guest:
        mode = guest.wait_for(r'^preferred: (\d+)x(\d+)$')
        guest.finish()
    assert (int(mode[1]), int(mode[2])) == (1024, 768)


def test_bochs_reset(folder, server):
    """A reset of the machine brings registers to their start and keeps video memory."""
    device = server()
    with BareGuest(folder, 'bochs-reset', attached(device)) as guest:
        guest.wait_for('^reset me$')
        guest.vm.qmp.execute('system_reset')
        guest.wait_for(f'^showing: {SIZE} frame 5$')
        card.compare(device.screenshot(folder / '5.png'), 'bare', 5, SIZE)
        guest.go_on()
        guest.finish()


def test_killed_vmm(folder, server):
    """QEMU dies again and again in mid-use; the next one finds a fresh device."""
    device = server()
    for _ in range(5):
        with BareGuest(folder, 'bochs-screen', attached(device)) as guest:
            guest.wait_for(f'^showing: {SIZE} frame 1$')
            card.compare(device.screenshot(folder / '1.png'), 'bare', 1, SIZE)
            guest.vm.process.kill()
        assert device.process.running(), device.log()
        with BareGuest(folder, 'bochs-fresh', attached(device)) as guest:
            guest.finish()
