# SPDX-License-Identifier: MIT
"""Starts vgpu-device, the server of one vGPU, and asks it things by vgpuctl."""

import json
import os
import subprocess

from waiting import eventually

from . import paths
from .process import Process

CONTROL_TIMEOUT = 20


class ServerFailed(Exception):
    """vgpu-device did not start, or ended."""


class VgpuDevice:
    """One vgpu-device process with its sockets in `folder`."""

    def __init__(self, folder, vgpu_type='bochs-16m', driver=None, program=None,
                 arguments=()):
        self.folder = folder
        self.socket = folder / 'vfio-user.sock'
        self.control = folder / 'control.sock'
        driver = driver or paths.driver(vgpu_type.partition('-')[0])
        program = program or paths.program('vgpu-device')
        command = [program, '--type', vgpu_type, '--driver', driver, '--socket-path', self.socket,
                   '--control-path', self.control, *arguments]
        self.process = Process(command, folder / 'vgpu-device.log')
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.process.close()
            raise

    def _wait_until_it_listens(self):
        # A socket gets its name once it listens.
        eventually(lambda: self.socket.exists() and self.control.exists() or not self.process.running(), self.log)
        if not self.process.running():
            raise ServerFailed(f'vgpu-device ended at once:\n{self.log()}')

    def log(self):
        return self.process.log()

    def control_call(self, *arguments):
        """What vgpuctl prints."""
        command = [paths.program('vgpuctl'), '--control-path', self.control, *arguments]
        done = subprocess.run([os.fspath(a) for a in command], capture_output=True, text=True,
                              timeout=CONTROL_TIMEOUT, check=False)
        if done.returncode:
            raise ServerFailed(f'vgpuctl {arguments[0]}: {done.stderr}{done.stdout}')
        return done.stdout

    def stats(self):
        return json.loads(self.control_call('--json', 'stats'))

    def screenshot(self, to):
        self.control_call('screenshot', '-o', to)
        return to

    def stop(self):
        """Ends it as an operator would; it must go cleanly."""
        status = self.process.terminate()
        if status:
            raise ServerFailed(f'vgpu-device ended with status {status}:\n{self.log()}')

    def close(self):
        self.process.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
