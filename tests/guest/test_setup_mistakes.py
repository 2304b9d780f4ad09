# SPDX-License-Identifier: MIT
"""A VMM that is set up wrongly: the user is told in one clear line."""

from lib import qemu
from lib.bare import BareGuest


def run(folder, device, memory):
    """The guest itself runs: bochs needs nothing of guest memory."""
    with BareGuest(folder, 'bochs-dispi', qemu.vfio_user(device.socket), memory) as guest:
        guest.finish()
    return [line for line in device.log().splitlines() if 'share=on' in line]


def test_memory_is_private(folder, server):
    told = run(folder, server(), qemu.memory('64M', shared=False))
    assert len(told) == 1, told
    assert 'private' in told[0] or 'not shared' in told[0]


def test_memory_has_no_fd(folder, server):
    told = run(folder, server(), qemu.memory('64M', backend=False))
    assert len(told) == 1, told
    assert 'memory-backend' in told[0]


def test_right_setup_says_nothing(folder, server):
    assert run(folder, server(), qemu.memory('64M')) == []
