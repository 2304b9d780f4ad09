# SPDX-License-Identifier: MIT
"""A vgpud in folders of its own.

VGPU_BUILD names the build directory (default: build/release).
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from waiting import eventually

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(TOP / 'tests' / 'programs'), str(TOP / 'tests' / 'wire')]

from varlink import Client, VarlinkError  # noqa: E402
from vuser.client import Client as VfioUser  # noqa: E402

BUILD = TOP / os.environ.get('VGPU_BUILD', 'build/release')
VGPUD = BUILD / 'programs' / 'vgpud' / 'vgpud'
DEVICE = BUILD / 'programs' / 'vgpu-device' / 'vgpu-device'
SANITIZED = BUILD.name in ('asan', 'tsan')  # those have a back trace of their own
PATIENCE = 30
IO = 'io.vgpud.Manager.'


def runs(pid):
    """Is there such a process, and not only its remains?"""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


class Daemon:
    """vgpud with folders under one short path: a socket's path has 107 bytes at most."""

    def __init__(self):
        self.top = Path(tempfile.mkdtemp(prefix='vgpud-'))
        self.config, self.state, self.runtime = (self.top / name for name in ('etc', 'lib', 'run'))
        self.config.mkdir()
        self.log_path = self.top / 'log'
        self.process = None

    def configure(self, text, name='test.conf'):
        (self.config / name).write_text(text)

    def launch(self, *arguments, env=None, prefix=(), **options):
        command = [*prefix, VGPUD, '--config-dir', self.config, '--state-dir', self.state, '--runtime-dir', self.runtime]
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(('VGPUD_', 'LISTEN_', 'NOTIFY_', 'RUNTIME_D'))}
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen([*map(str, command), *arguments], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**environment, **(env or {})}, **options)

    def start(self, *arguments, **options):
        before = len(self.log())
        self.launch(*arguments, **options)
        eventually(lambda: 'ready:' in self.log()[before:] or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()
        return self

    def log(self):
        return self.log_path.read_text(errors='replace') if self.log_path.exists() else ''

    def connect(self):
        return Client(self.runtime / 'control.sock')

    def call(self, method, **parameters):
        with self.connect() as client:
            return client.call(IO + method, **parameters)

    def refused(self, method, **parameters):
        """The name of the error, and its parameters."""
        with pytest.raises(VarlinkError) as e:
            self.call(method, **parameters)
        return e.value.error.removeprefix(IO), e.value.parameters

    def create(self, kind='bochs-16m', **parameters):
        return self.call('Create', type=kind, **parameters)['instance']

    def show(self, name):
        return self.call('Show', name=name)['instance']

    def list(self):
        return self.call('List')['instances']

    def wait_state(self, name, state):
        return eventually(lambda: (i := self.show(name))['state'] == state and i, name, state)

    def attach(self, instance):
        client = VfioUser(instance['socket'])
        client.version()
        return client

    def end(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        status = self.process.wait(PATIENCE)
        # A sanitizer that has found something says so by the status.
        assert status == (0 if signo == signal.SIGTERM else -signo), self.log()
        return status

    def workers(self):
        """Process ids on record that run."""
        found = []
        for record in self.runtime.glob('*/worker'):
            text = record.read_text().strip()
            if text and runs(int(text)):
                found.append(int(text))
        return found

    def parents(self):
        """Likewise, of vgpu-parent processes."""
        records = [record.read_text().strip() for record in self.runtime.glob('parents/*/worker')]
        return [int(text) for text in records if text and runs(int(text))]

    def clean_up(self):
        try:
            if self.process and self.process.poll() is None:
                self.end()
        finally:
            self.remove()

    def remove(self):
        for pid in self.workers() + self.parents():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.top)


@pytest.fixture
def idle():
    """Not started yet."""
    daemon = Daemon()
    yield daemon
    daemon.clean_up()


@pytest.fixture
def vgpud(idle):
    return idle.start()
