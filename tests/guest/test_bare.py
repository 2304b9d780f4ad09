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


@pytest.mark.parametrize('name, frames', [('screen', [1, 2]), ('reads', [3]), ('writes', [4]),
                                          ('flr', [5])])
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
