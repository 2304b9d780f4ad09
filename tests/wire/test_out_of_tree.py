# SPDX-License-Identifier: MIT
"""A driver that was built from the installed headers alone, in the installed vgpu-device."""
import os
import subprocess
from pathlib import Path

import pytest

from vuser import pci, proto
from vuser.pci import ConfigSpace
from vuser.profiles import QemuClient
from vuser.server import Server

BUILD = Path(__file__).resolve().parents[1] / "outoftree" / "build"


@pytest.fixture(scope="module")
def hello(tmp_path_factory):
    """Paths of the installed vgpu-device and of the driver."""
    done = subprocess.run([BUILD, os.environ["VGPU_BUILD"], tmp_path_factory.mktemp("outoftree")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_it_is_listed(hello):
    program, driver = hello
    done = subprocess.run([program, "--driver", driver, "--list-types"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout


def test_it_serves(hello):
    program, driver = hello
    server = Server(program, ["--driver", driver, "--type", "hello"])
    try:
        with QemuClient(server.path) as client:
            client.negotiate()
            cfg = ConfigSpace(client)
            assert cfg.read(0, 4) == 0x48311234
            assert cfg.read(pci.CLASS + 1, 3) == 0xFF0000
            assert client.region_read(proto.BAR0, 0, 4) == b"vGPU"
            for value in (1, 2, 39):
                client.write(proto.BAR0, 4, 4, value)
            assert client.read(proto.BAR0, 4, 4) == 42
            assert client.region_read(proto.BAR0, 8, 8) == b"\xff" * 8
            client.reset()
            assert client.read(proto.BAR0, 4, 4) == 0
    finally:
        server.stop()
