# SPDX-License-Identifier: MIT
"""Regions of every kind as the guest's processor reaches them, and a driver from outside."""

import subprocess

import pytest

from lib import paths, qemu
from lib.bare import BareGuest


@pytest.mark.parametrize('name', ['windows', 'mix', 'io', 'rom'])
def test_areas(folder, server, name):
    device = server('testdev')
    with BareGuest(folder, f'area-{name}', qemu.vfio_user(device.socket)) as guest:
        guest.finish()


def test_driver_built_out_of_tree(folder, server):
    """The example, built from the installed headers, in the installed vgpu-device."""
    done = subprocess.run([paths.TOP / 'tests' / 'outoftree' / 'build', paths.BUILD, folder / 'outside'],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    program, driver = done.stdout.split()
    device = server('hello', driver=driver, program=program)
    with BareGuest(folder, 'hello', qemu.vfio_user(device.socket)) as guest:
        guest.finish()
    assert device.stats()['requests']['region_read'] > 0
