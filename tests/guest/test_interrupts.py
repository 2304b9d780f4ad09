# SPDX-License-Identifier: MIT
"""Interrupts of the test device, counted in a guest without a system."""

import pytest

from lib import qemu
from lib.bare import BareGuest


@pytest.mark.parametrize('name', ['intx', 'intx-disabled', 'msi', 'msix', 'msix-masks', 'switch'])
def test_interrupts(folder, server, name):
    device = server('testdev')
    with BareGuest(folder, f'irq-{name}', qemu.vfio_user(device.socket)) as guest:
        guest.finish()


def test_function_level_reset(folder, server):
    """Behind a root port: on the root bus QEMU hides the PCIe capability of a device with I/O ports."""
    device = server('testdev')
    port = ['-device', 'pcie-root-port,id=root1']
    with BareGuest(folder, 'irq-flr', port + qemu.vfio_user(device.socket, bus='root1')) as guest:
        guest.finish()
