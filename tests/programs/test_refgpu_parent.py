# SPDX-License-Identifier: MIT
"""The reference GPU's parent, with processes: who gets how much of the engine, and what becomes of one that hangs."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from waiting import eventually

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get('VGPU_BUILD', 'build/release')
DRIVER = BUILD / 'drivers' / 'refgpu.so'
PARENT = BUILD / 'programs' / 'vgpu-parent' / 'vgpu-parent'
DEVICE = BUILD / 'programs' / 'vgpu-device' / 'vgpu-device'
DEMO = BUILD / 'programs' / 'vgpu-demo' / 'vgpu-demo'
CHECK = BUILD / 'tests' / 'refgpu' / 'refgpu-check'
PATIENCE = 120


class Board:
    """A parent, and vGPUs of it."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.n = 0

    def start(self, name, *command):
        with open(self.folder / f'{name}.log', 'ab') as log:
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def open(self, config):
        self.parent = self.start('parent', PARENT, '--driver', DRIVER, '--parent-config', config, '--socket-path',
                                 self.folder / 'parent.sock')
        eventually((self.folder / 'parent.sock').exists)

    def vgpu(self, *options):
        vgpu = Vgpu(self, self.n, *options)
        self.n += 1
        return vgpu

    def log(self, name='parent'):
        return (self.folder / f'{name}.log').read_text(errors='replace')

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)


class Vgpu:
    def __init__(self, board, index, *options):
        self.board, self.name = board, f'vgpu{index}'
        self.socket = board.folder / f'{self.name}.sock'
        self.control = board.folder / f'{self.name}.control'
        self.process = board.start(self.name, DEVICE, '--type', 'refgpu-64m', '--driver', DRIVER, '--parent-socket',
                                   board.folder / 'parent.sock', '--socket-path', self.socket, '--control-path',
                                   self.control, *options)
        eventually(lambda: self.socket.exists() and self.control.exists())

    def work(self, *options):
        """Its engine has more to do than it can."""
        return self.board.start(f'{self.name}-work', DEMO, 'sgemm', '-q', '-t', PATIENCE, '--socket', self.socket, *options)

    def engine_ns(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.control))
            s.sendall(b'{"method":"io.vgpud.Device.Stats"}\0')
            data = b''
            while not data.endswith(b'\0'):
                data += s.recv(65536)
        return (json.loads(data[:-1])['parameters']['engines'] or [0])[0]


@pytest.fixture
def board(tmp_path):
    board = Board(tmp_path)
    yield board
    board.end()


def shares(vgpus, seconds=2.0):
    """What each has had of what all have had together, from now on; and that, of the time that passed"""
    eventually(lambda: all(v.engine_ns() > 0 for v in vgpus))
    begin, before = time.monotonic(), [v.engine_ns() for v in vgpus]
    time.sleep(seconds)
    had = [v.engine_ns() - b for v, b in zip(vgpus, before)]
    return [h / sum(had) for h in had], sum(had) / 1e9 / (time.monotonic() - begin)


def test_weights(board):
    """Loosely: how close it comes is bench's to say, on a machine that has nothing else to do."""
    board.open('software,vram=1g')
    vgpus = [board.vgpu('--weight', w) for w in (1, 4)]
    for v in vgpus:
        v.work()
    (small, large), _ = shares(vgpus)
    assert large > 2 * small, (small, large)


def test_equal_shares(board):
    board.open('software,vram=1g,mode=equal')
    vgpus = [board.vgpu('--weight', w) for w in (1, 50)]
    for v in vgpus:
        v.work()
    (a, b), _ = shares(vgpus)
    assert 0.25 < a < 0.75, (a, b)


@pytest.mark.parametrize('config, options', [('software,vram=1g', ('--cap', 25)),
                                             ('software,vram=1g,mode=fixed,shares=4', ('--weight', 1))])
def test_no_more_than_its_share(board, config, options):
    """Also while nobody else wants it."""
    board.open(config)
    vgpu = board.vgpu(*options)
    vgpu.work()
    _, busy = shares([vgpu])
    assert 0.02 < busy < 0.35


def test_others_keep_their_share_while_one_hangs(board):
    board.open('software,vram=1g')
    vgpus = [board.vgpu('--weight', 10) for _ in range(3)]
    for v in vgpus[:2]:
        v.work()
    shares(vgpus[:2], 0.2)
    hang = board.start('hang', CHECK, vgpus[2].socket, 'hostile', 'hang')
    eventually(lambda: 'hangs: it is reset' in board.log())
    assert hang.wait(PATIENCE) == 0
    (a, b), busy = shares(vgpus[:2], 1.0)
    assert 0.25 < a < 0.75 and busy > 0.5


def test_killed_in_the_middle_again_and_again(board):
    board.open('software,vram=1g')
    other = board.vgpu()
    other.work()
    fds = Path(f'/proc/{board.parent.pid}/fd')
    eventually(lambda: other.engine_ns() > 0)
    before = len(list(fds.iterdir()))
    for _ in range(4):
        victim = board.vgpu()
        victim.work()
        eventually(lambda: victim.engine_ns() > 0)
        victim.process.send_signal(signal.SIGKILL)
        victim.process.wait(PATIENCE)
    eventually(lambda: len(list(fds.iterdir())) == before)
    had = other.engine_ns()
    eventually(lambda: other.engine_ns() > had)
    # There is room for as many as before: 1 GiB of them
    for _ in range(15):
        board.vgpu()
    board.n += 1
    with pytest.raises(AssertionError):
        full = board.start('full', DEVICE, '--type', 'refgpu-64m', '--driver', DRIVER, '--parent-socket',
                           board.folder / 'parent.sock', '--socket-path', board.folder / 'full.sock')
        assert full.wait(PATIENCE) == 0
    assert 'no VRAM left' in board.log()


@pytest.mark.parametrize('config', ['hardware', 'software,vram=much', 'software,mode=unfair'])
def test_configurations_that_are_none(board, config):
    parent = board.start('parent', PARENT, '--driver', DRIVER, '--parent-config', config, '--socket-path',
                         board.folder / 'parent.sock')
    assert parent.wait(PATIENCE) == 1
    assert 'is expected' in board.log()
