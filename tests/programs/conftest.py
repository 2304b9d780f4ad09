# SPDX-License-Identifier: MIT
"""What the tests of the programs share.

VGPU_BUILD names the build directory (default: build/release).
"""
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import eventually

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(TOP / 'tests' / 'wire')]

from varlink import Client  # noqa: E402
from vuser.client import Client as VfioUser  # noqa: E402

BUILD = TOP / os.environ.get('VGPU_BUILD', 'build/release')
DEVICE = BUILD / 'programs' / 'vgpu-device' / 'vgpu-device'
CTL = BUILD / 'programs' / 'vgpuctl' / 'vgpuctl'
DRIVERS = BUILD / 'drivers'
# A sanitizer wants more than the sandbox leaves, so such a build has none.
SANITIZED = BUILD.name in ('asan', 'tsan')
PATIENCE = 20
IO = 'io.vgpud.Device.'


def run(*command, **options):
    """A command that ends by itself."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('VGPU_CONTROL', 'VGPUD_CONTROL', 'VGPU_DRIVER'))}
    environment.update(options.pop('env', {}))
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment, stdin=subprocess.DEVNULL, check=False, **options)


class Device:
    """A vgpu-device that serves, with its log in a file."""

    def __init__(self, folder, *arguments, env=None, socket=True, pass_fds=()):
        self.socket = folder / 'vgpu.sock'
        self.control = folder / 'control.sock'
        self.log_path = folder / 'log'
        command = [str(DEVICE), '--type', 'bochs-16m', '--control-path', str(self.control)]
        if socket:
            command += ['--socket-path', str(self.socket)]
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([*command, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **(env or {})},
                                            pass_fds=pass_fds)
        eventually(lambda: 'serving' in self.log() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()

    def log(self):
        return self.log_path.read_text(errors='replace')

    def ctl(self, *arguments):
        return run(CTL, '--control-path', self.control, *arguments)

    def call(self, method, **parameters):
        with Client(self.control) as client:
            return client.call(IO + method, **parameters)

    def attach(self):
        client = VfioUser(self.socket)
        client.version()
        return client

    def end(self):
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            status = self.end()
            assert kind is not None or status == 0, self.log()


class Screen:
    """A client that switches the bochs vGPU's screen on and draws, as a guest would."""

    def __init__(self, device, width, height):
        self.client = device.attach()
        self.width, self.height = width, height
        _, fd = self.client.region_info(0)
        self.memory = mmap.mmap(fd, width * height * 4)
        os.close(fd)
        self.client.write(2, 0x400, 1, 0x20)  # attribute index: the screen is on
        for index, value in ((4, 0), (1, width), (2, height), (3, 32), (4, 0x41)):
            self.client.write(2, 0x500 + 2 * index, 2, value)

    def draw(self):
        """A pattern; what it has to look like as red, green, blue."""
        seen = bytearray()
        for y in range(self.height):
            for x in range(self.width):
                r, g, b = x * 7 & 0xff, y * 5 & 0xff, (x ^ y) & 0xff
                at = (y * self.width + x) * 4
                self.memory[at:at + 4] = bytes((b, g, r, 0))
                seen += bytes((r, g, b))
        return bytes(seen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.close()
        self.client.close()


@pytest.fixture
def device(tmp_path):
    with Device(tmp_path) as it:
        yield it
