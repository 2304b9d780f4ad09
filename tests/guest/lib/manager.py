# SPDX-License-Identifier: MIT
"""vgpud as an operator has it: folders of its own, and vgpuctl to ask it."""

import json
import os
import signal
import subprocess

from waiting import eventually

from . import paths
from .process import Process

PATIENCE = 20


class Refused(Exception):
    """vgpuctl ended with an error."""


class Vgpud:
    def __init__(self, folder, config):
        self.runtime = folder / 'run'
        self.control = self.runtime / 'control.sock'
        (folder / 'etc').mkdir()
        (folder / 'etc' / 'test.conf').write_text(config)
        self.process = Process(
            [paths.program('vgpud'), '--config-dir', folder / 'etc', '--state-dir', folder / 'lib',
             '--runtime-dir', self.runtime], folder / 'vgpud.log')
        try:
            self.eventually(self.control.exists)
        except BaseException:
            self.close()
            raise

    def eventually(self, what):
        eventually(lambda: what() or not self.process.running(), self.process.log)
        assert self.process.running(), self.process.log()

    def ctl(self, *arguments):
        """What vgpuctl prints."""
        command = [paths.program('vgpuctl'), '--vgpud', self.control, *arguments]
        done = subprocess.run([os.fspath(a) for a in command], capture_output=True, text=True, timeout=PATIENCE,
                              check=False)
        if done.returncode:
            raise Refused(f'vgpuctl {" ".join(map(str, arguments))}: {done.stderr}{done.stdout}')
        return done.stdout

    def ask(self, *arguments):
        return json.loads(self.ctl(*arguments, '-o', 'json'))

    def wait_state(self, name, state):
        self.eventually(lambda: self.ask('show', name)['state'] == state)
        return self.ask('show', name)

    def stop(self):
        """All vGPUs go, and then vgpud, cleanly."""
        for one in self.ctl('list', '--quiet').split():
            self.ctl('remove', one, '--force')
        assert self.process.terminate() == 0, self.process.log()

    def close(self):
        """Nothing is left, however the test ended: workers are in sessions of their own."""
        self.process.close()
        # A vgpu-parent outlives its last vGPU for a while, and so its vgpud.
        for record in [*self.runtime.glob('*/worker'), *self.runtime.glob('parents/*/worker')]:
            try:
                os.kill(int(record.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass  # it has ended

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
