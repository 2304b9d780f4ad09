# SPDX-License-Identifier: MIT
"""Fixtures of the guest tests: a private folder and servers of vGPUs in it."""

import os
import tempfile
from pathlib import Path

import pytest

from lib.vgpu import VgpuDevice


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marks
def pytest_collection_modifyitems(items):
    """Whole kernels on a sanitized vGPU are long tests."""
    for item in items:
        if item.get_closest_marker('kernel') and 'san' in os.environ.get('VGPU_BUILD', ''):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def folder():
    """A private folder with a short name: a socket's path has 107 characters."""
    with tempfile.TemporaryDirectory(prefix='vgpu-guest-') as name:
        yield Path(name)


@pytest.fixture
def server(folder):
    """Factory of vGPUs: server(type, driver=, arguments=). Each must end cleanly."""
    started = []

    def start(vgpu_type='bochs-16m', **options):
        own = folder / f'vgpu{len(started)}'
        own.mkdir()
        started.append(VgpuDevice(own, vgpu_type, **options))
        return started[-1]

    yield start
    try:
        for device in started:
            if device.process.running():
                device.stop()
            else:
                assert device.process.wait(0) == 0, device.log()
    finally:
        for device in started:
            device.close()
