# SPDX-License-Identifier: MIT
"""The reference GPU as its users see it: vgpu-parent with the model, vgpu-devices, and refgpu-check as their clients."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from waiting import PATIENCE, eventually

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / 'tests' / 'guest'))
BUILD = TOP / os.environ.get('VGPU_BUILD', 'build/release')
PROGRAMS = BUILD / 'programs'
DRIVER = BUILD / 'drivers' / 'refgpu.so'
CHECK = BUILD / 'tests' / 'refgpu' / 'refgpu-check'
DEMO = PROGRAMS / 'vgpu-demo' / 'vgpu-demo'
TYPE = 'refgpu-256m'


def sanitized():
    return 'san' in BUILD.name


class Program:
    """A program with its output in a file."""

    def __init__(self, folder, name, *command, stdin=subprocess.DEVNULL):
        self.log_path = folder / f'{name}.log'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=stdin, stdout=log, stderr=log)
        self.pid = self.process.pid

    def log(self):
        return self.log_path.read_text(errors='replace')

    def running(self):
        return self.process.poll() is None

    def wait_for(self, text):
        eventually(lambda: text in self.log() or not self.running(), self.log)
        assert text in self.log(), self.log()

    def passed(self):
        """It ends, and well."""
        assert self.process.wait(PATIENCE) == 0 and 'passed' in self.log(), self.log()

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Neighbour(Program):
    """Works in its own vGPU until it is asked how it was."""

    def __init__(self, system, vgpu):
        super().__init__(system.folder, f'neighbour{vgpu.index}', CHECK, vgpu.socket, 'neighbour', stdin=subprocess.PIPE)
        system.programs.append(self)
        self.wait_for('started')

    def noticed_nothing(self):
        """How many turns it has done."""
        self.process.stdin.close()
        self.passed()
        return int(self.log().split('passed: ')[1].split()[0])


class System:
    """A parent, and as many vGPUs as are asked for."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='rg-'))
        self.socket = self.folder / 'parent.sock'
        self.programs, self.vgpus, self.clients = [], [], 0
        self.parent = self.start('parent', PROGRAMS / 'vgpu-parent' / 'vgpu-parent', '--driver', DRIVER,
                                 '--parent-config', 'software', '--socket-path', self.socket)
        self.parent.wait_for('sharing')

    def start(self, name, *command):
        program = Program(self.folder, name, *command)
        self.programs.append(program)
        return program

    def vgpu(self, *arguments, vgpu_type=TYPE):
        index = len(self.vgpus)
        path = self.folder / f'{index}.sock'
        program = self.start(f'vgpu{index}', PROGRAMS / 'vgpu-device' / 'vgpu-device', '--driver', DRIVER, '--type',
                             vgpu_type, '--parent-socket', self.socket, '--socket-path', path, *arguments)
        program.socket, program.index = path, index
        self.vgpus.append(program)
        program.wait_for('serving')
        return program

    def client(self, vgpu, *arguments):
        self.clients += 1
        return self.start(f'client{self.clients}', CHECK, vgpu.socket, *arguments)

    def neighbour(self):
        return Neighbour(self, self.vgpu())

    def close(self, well):
        logs = []
        for program in reversed(self.programs):
            if program.running():
                served = program is self.parent or program in self.vgpus
                program.process.terminate()
                try:
                    status = program.process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    status = 'does not end'
                    program.kill()
                if served and status:
                    logs.append(f'{program.log_path.name}: {status}: {program.log()}')
            elif program is self.parent or (program in self.vgpus and program.process.returncode != -9):
                logs.append(f'{program.log_path.name} had ended: {program.log()}')
        shutil.rmtree(self.folder)
        assert not well or not logs, '\n'.join(logs)


@pytest.fixture
def system(request):
    it = System()
    failed = request.session.testsfailed
    yield it
    it.close(request.session.testsfailed == failed)


def fds(program):
    return len(os.listdir(f'/proc/{program.pid}/fd'))


def resident(program):
    """KiB of memory."""
    for line in Path(f'/proc/{program.pid}/status').read_text().splitlines():
        if line.startswith('VmRSS'):
            return int(line.split()[1])
    raise AssertionError('no VmRSS')
