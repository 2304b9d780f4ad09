# SPDX-License-Identifier: MIT
"""Interrupts of the test device, counted in a guest without a system."""

import pytest

from lib import qemu
from lib.bare import BareGuest


@pytest.mark.parametrize('name', ['intx', 'intx-disabled', 'msi', 'msix', 'msix-masks', 'switch',
                                  'flr'])
def test_interrupts(folder, server, name):
    device = server('testdev')
    with BareGuest(folder, f'irq-{name}', qemu.vfio_user(device.socket)) as guest:
        guest.finish()
