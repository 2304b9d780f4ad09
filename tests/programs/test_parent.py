# SPDX-License-Identifier: MIT
"""vgpu-parent with the model of an edu device, its workers and their clients."""
import fcntl
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import termios
import uuid

import pytest
from conftest import BUILD, DEVICE, DRIVERS, PATIENCE, VfioUser, eventually, run

PARENT = BUILD / 'programs' / 'vgpu-parent' / 'vgpu-parent'
CLIENT = BUILD / 'tests' / 'guest' / 'educlient'
EDU = DRIVERS / 'edu.so'

# src/link/wire.h
HELLO, WELCOME, MESSAGE, MEMORY, FORGET, MAP, UNMAP, REPLY = range(1, 9)
VERSION = 3
# drivers/edu/edu.h
OP_FACTORIAL, OP_DMA, OP_CANCEL, OP_RESET = range(1, 5)
# The device
SRC, DST, COUNT, CMD = 0x80, 0x88, 0x90, 0x98
BUFFER = 0x40000
RUN, TO_RAM, IRQ = 1, 2, 4


class Program:
    """A program with its log in a file."""

    def __init__(self, folder, name, *command):
        self.log_path = folder / f'{name}.log'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)

    def log(self):
        return self.log_path.read_text(errors='replace')

    def running(self):
        return self.process.poll() is None

    def wait_for(self, text, times=1):
        eventually(lambda: self.log().count(text) >= times or not self.running(), text, self.log_path)
        assert self.log().count(text) >= times, self.log()

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


class System:
    """A parent and as many workers as are asked for."""

    def __init__(self, folder, config='software'):
        self.folder = folder
        self.socket = folder / 'parent.sock'
        self.parent = Program(folder, 'parent', PARENT, '--driver', EDU, '--parent-config', config,
                              '--socket-path', self.socket, '--log-level', 'debug')
        self.programs = [self.parent]
        self.parent.wait_for('sharing')

    def worker(self, name, *arguments):
        program = Program(self.folder, name, DEVICE, '--type', 'edu', '--driver', EDU, '--parent-socket',
                          self.socket, '--socket-path', self.folder / f'{name}.sock', *arguments)
        program.socket = self.folder / f'{name}.sock'
        self.programs.append(program)
        program.wait_for('serving')
        return program

    def client(self, worker, name, *arguments):
        program = Program(self.folder, name, CLIENT, worker.socket, *arguments)
        self.programs.append(program)
        return program

    def raw(self):
        return Raw(self.socket)

    def faults(self):
        return self.parent.log().count('fault:')

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            for program in reversed(self.programs):
                status = program.end() if program.running() else 0
                if kind is None and program is self.parent:
                    assert status == 0, program.log()
        finally:
            for program in self.programs:
                if program.running():
                    program.kill()
        if kind is None:
            assert self.faults() == 0, self.parent.log()


class Raw:
    """A worker of our own, which can lie."""
    engine_ns = 0

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(path))
        self.calls = None
        self.seq = 0

    @staticmethod
    def frame(kind, payload, seq=0):
        return struct.pack('<IHHII', 16 + len(payload), kind, 0, seq, 0) + payload

    @staticmethod
    def receive(sock, fds=0):
        """(kind, seq, payload, descriptors); None at the end of the stream."""
        data, passed, _, _ = socket.recv_fds(sock, 16, fds or 1)
        while 0 < len(data) < 16:
            data += sock.recv(16 - len(data))
        if not data:
            return None
        size, kind, _, seq, _ = struct.unpack('<IHHII', data)
        payload = b''
        while len(payload) < size - 16:
            payload += sock.recv(size - 16 - len(payload))
        return kind, seq, payload, passed

    def hello(self, version=VERSION, vgpu_type=b'edu', name=None, weight=0, cap=0):
        self.sock.sendall(self.frame(HELLO, struct.pack('<IHH16s64s', version, weight, cap,
                                                        (name or uuid.uuid4()).bytes, vgpu_type)))
        kind, _, payload, fds = self.receive(self.sock, 5)
        assert kind == WELCOME
        if fds:
            self.calls = socket.socket(fileno=fds[0])
            self.calls.settimeout(PATIENCE)
        return struct.unpack('<IIQ', payload)[1]

    def call(self, kind, payload, fds=()):
        """(errno, bytes, addresses)"""
        self.seq += 1
        socket.send_fds(self.calls, [self.frame(kind, payload, self.seq)], fds)
        kind, seq, payload, _ = self.receive(self.calls)
        assert (kind, seq) == (REPLY, self.seq)
        err, n, size = struct.unpack_from('<IIQ', payload)
        return err, size, struct.unpack_from(f'<{n}Q', payload, 16)

    def memory(self, fd, ident=0, offset=0, size=1 << 20, prot=3):
        return self.call(MEMORY, struct.pack('<QQII', offset, size, ident, prot), [fd])[0]

    def map(self, *pages, ident=0, prot=3):
        return self.call(MAP, struct.pack('<II', prot, len(pages)) +
                         b''.join(struct.pack('<II', ident, page) for page in pages))

    def unmap(self, *addrs):
        return self.call(UNMAP, struct.pack(f'<II{len(addrs)}Q', 0, len(addrs), *addrs))[0]

    def request(self, op, ident=1, value=0, offset=0, pieces=(), n=None):
        addr, length = [0, 0], [0, 0]
        for i, (a, l) in enumerate(pieces):
            addr[i], length[i] = a, l
        n = len(pieces) if n is None else n
        self.sock.sendall(self.frame(MESSAGE, struct.pack('<5I2II2Q', op, ident, value, offset, n, *length, 0, *addr)))

    def reply(self):
        """(unit, id, errno, value)"""
        kind, _, payload, _ = self.receive(self.sock)
        assert kind == MESSAGE
        *answer, engine_ns = struct.unpack('<4IQ', payload)
        assert engine_ns >= self.engine_ns, 'it never gets less'
        self.engine_ns = engine_ns
        return tuple(answer)

    def read_by_parent(self):
        """All messages are out of the socket. Those and calls have no order among each other."""
        return not struct.unpack('i', fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))[0]

    def gone(self):
        """The parent has closed both sockets."""
        for sock in filter(None, (self.sock, self.calls)):
            try:
                while sock.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        return True

    def close(self):
        self.sock.close()
        if self.calls:
            self.calls.close()


def memfd(size=1 << 20):
    fd = os.memfd_create('client')
    os.truncate(fd, size)
    return fd


@pytest.fixture
def system(tmp_path):
    with System(tmp_path) as it:
        yield it


@pytest.fixture
def raw(system):
    it = system.raw()
    assert it.hello() == 0
    yield it
    it.close()


# ---- clients ---------------------------------------------------------------

def test_as_many_descriptors_as_may_be(tmp_path):
    """1,024 is what starters give for select(): some dozens of vGPUs want more."""
    command = [PARENT, '--driver', EDU, '--parent-config', 'software', '--socket-path', tmp_path / 'p']
    parent = Program(tmp_path, 'few', 'prlimit', '--nofile=64:2000', *command)
    parent.wait_for('sharing')
    device = Program(tmp_path, 'device', 'prlimit', '--nofile=64:2000', DEVICE, '--type', 'edu', '--driver', EDU,
                     '--parent-socket', tmp_path / 'p', '--socket-path', tmp_path / 's')
    device.wait_for('serving')
    for program in (device, parent):
        with open(f'/proc/{program.process.pid}/limits') as limits:
            assert re.search(r'^Max open files +2000 +2000 ', limits.read(), re.M)
        program.end()


def test_three_clients_at_once_see_their_own_bytes(system):
    workers = [system.worker(f'w{i}') for i in range(3)]
    clients = [system.client(w, f'c{i}', i + 1, 60) for i, w in enumerate(workers)]
    for client in clients:
        assert client.process.wait(60) == 0, client.log()
        assert 'passed 60 rounds' in client.log()


def test_unmaps_in_transfers(system):
    """With three vGPUs, most transfers wait in the queue when their memory goes."""
    workers = [system.worker(f'w{i}') for i in range(3)]
    clients = [system.client(w, f'c{i}', i + 1, 40, 'unmap') for i, w in enumerate(workers)]
    for client in clients:
        assert client.process.wait(60) == 0, client.log()


def test_the_next_client_of_a_vgpu_finds_zeroes(system):
    worker = system.worker('w')
    for i in range(3):
        client = system.client(worker, f'c{i}', i + 1, 3)
        assert client.process.wait(60) == 0, client.log()


@pytest.mark.parametrize('who', ['client', 'worker'])
def test_killed_in_mid_transfer(tmp_path, who):
    """Its transfer ends, its memory goes, the others notice nothing, and nobody sees its bytes."""
    with System(tmp_path, 'software,delay=50000') as system:
        doomed, other = system.worker('doomed'), system.worker('other')
        neighbour = system.client(other, 'neighbour', 2, 8)
        victim = system.client(doomed, 'victim', 1, 0, 'start')
        victim.wait_for('started')
        (victim if who == 'client' else doomed).kill()
        if who == 'worker':
            system.parent.wait_for('vgpu-device has gone')
            doomed = system.worker('again')
        heir = system.client(doomed, 'heir', 3, 3)
        for client in (heir, neighbour):
            assert client.process.wait(60) == 0, client.log()
        victim.kill()


def test_a_hanging_engine_is_reset(tmp_path):
    with System(tmp_path, 'software,hang=777') as system:
        workers = [system.worker(f'w{i}') for i in range(2)]
        other = system.client(workers[1], 'other', 2, 5)
        fd = memfd()
        with VfioUser(workers[0].socket) as client:
            client.version()
            client.dma_map(0, 1 << 20, fd)
            for reg, value in ((SRC, 0), (DST, BUFFER), (COUNT, 777), (CMD, RUN)):
                client.write(0, reg, 8, value)
            eventually(lambda: not client.read(0, CMD, 4) & RUN)
        system.parent.wait_for('the engine hangs')
        assert other.process.wait(60) == 0, other.log()
        os.close(fd)


def test_without_a_parent_the_device_ends(system):
    worker = system.worker('w')
    client = system.client(worker, 'c', 1, 0, 'start')
    client.wait_for('started')
    system.parent.kill()
    assert worker.process.wait(PATIENCE) == 5
    assert 'the parent is gone' in worker.log()
    client.kill()
    system.programs.remove(system.parent)


def test_truncated_memory_does_not_kill_the_parent(system, raw):
    fd = memfd()
    assert raw.memory(fd) == 0
    _, _, (addr,) = raw.map(0)
    os.truncate(fd, 0)
    raw.request(OP_DMA, pieces=[(addr, 4096)])
    assert raw.reply()[1:3] == (1, 0)
    os.close(fd)
    client = system.client(system.worker('w'), 'c', 1, 2)
    assert client.process.wait(60) == 0, client.log()


# ---- workers that lie ------------------------------------------------------

def test_addresses_of_others_are_refused(system, raw):
    fd = memfd()
    assert raw.memory(fd) == 0
    _, _, (addr,) = raw.map(7)
    thief = system.raw()
    assert thief.hello() == 0
    thief.request(OP_DMA, value=0, pieces=[(addr, 16)])
    assert thief.gone()
    raw.request(OP_DMA, value=0, pieces=[(addr, 16)])
    assert raw.reply() == (1, 1, 0, 0)
    assert raw.unmap(addr) == 0
    raw.request(OP_DMA, value=0, pieces=[(addr, 16)])
    assert raw.gone()
    thief.close()
    os.close(fd)


@pytest.mark.parametrize('pieces, offset, value, n', [
    ([(0, 16)], 0, 0, None),            # an address that nobody has
    ([(1 << 63, 16)], 0, 0, None),
    ([('a', 0)], 0, 0, None),           # nothing
    ([('a', 4097)], 0, 0, None),        # more than a buffer
    ([('a', 0xffffffff)], 0, 0, None),
    ([('a', 16)], 4090, 0, None),       # beyond the buffer's end
    ([('a', 16)], 0xffffffff, 0, None),
    ([('a', 16)], 0, 2, None),          # no direction
    ([('a', 16)], 0, 0, 0),
    ([('a', 16)], 0, 0, 3),
    ([('a', 16)], 0, 0, 0xffffffff),
    ([('a', 16), (0, 16)], 0, 0, None), # the second one is not its own
    ([('e', 16)], 0, 0, None),          # across the end of what it has
])
def test_impossible_transfers(system, raw, pieces, offset, value, n):
    fd = memfd()
    assert raw.memory(fd) == 0
    _, _, (addr,) = raw.map(3)
    names = {'a': addr, 'e': addr + 4090}
    raw.request(OP_DMA, value=value, offset=offset, n=n, pieces=[(names.get(a, a), l) for a, l in pieces])
    assert raw.gone()
    system.parent.wait_for('vgpu-device is dropped')
    os.close(fd)


def test_a_write_to_what_is_pinned_for_reading_is_refused(system, raw):
    fd = memfd()
    assert raw.memory(fd, prot=1) == 0
    assert raw.map(0, prot=3)[0] == 13  # EACCES
    _, _, (addr,) = raw.map(0, prot=1)
    raw.request(OP_DMA, value=1, pieces=[(addr, 16)])
    assert raw.gone()
    os.close(fd)


def test_a_second_job_of_a_unit_is_refused(system, raw):
    for ident in range(1, 4):
        raw.request(OP_FACTORIAL, ident=ident, value=5)
    assert raw.gone()


def test_an_unmap_of_what_is_in_use_waits(tmp_path):
    with System(tmp_path, 'software,delay=300000') as system:
        raw = system.raw()
        assert raw.hello() == 0
        fd = memfd()
        assert raw.memory(fd) == 0
        _, _, (addr,) = raw.map(0)
        with mmap.mmap(fd, 4096) as view:
            view[:4] = b'\xff' * 4
            raw.request(OP_DMA, value=1, pieces=[(addr, 4096)])
            eventually(raw.read_by_parent)
            assert raw.unmap(addr) == 0
            # The transfer was over when the reply came.
            assert view[:4] == bytes(4)
            view[:4] = b'mine'
            assert raw.reply()[1:3] == (1, 0)
            assert view[:4] == b'mine'
        raw.close()
        os.close(fd)


def test_hostile_numbers_in_calls(system, raw, tmp_path):
    fd = memfd()
    assert raw.memory(fd, ident=65536) == 22
    assert raw.memory(fd, prot=0) == 22
    assert raw.memory(fd, prot=4) == 22
    assert raw.memory(fd, size=0) == 22
    assert raw.memory(fd, size=100) == 22
    assert raw.memory(fd, offset=1 << 63, size=1 << 63) == 22
    assert raw.memory(fd, size=(1 << 20) + 4096) == 22
    assert raw.memory(fd, offset=4096) == 22
    for path, flags in (('/dev/null', os.O_RDWR), ('/', os.O_RDONLY), ('/proc/self/maps', os.O_RDONLY)):
        other = os.open(path, flags)
        assert raw.memory(other) == 22, path
        os.close(other)
    readonly = os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)
    assert raw.memory(readonly) == 13
    os.close(readonly)
    assert raw.memory(fd) == 0
    assert raw.memory(fd) == 17  # EEXIST
    assert raw.map(256)[0] == 14
    assert raw.map(0xffffffff)[0] == 14
    assert raw.map(0, ident=1)[0] == 2
    assert raw.map(0, ident=0xffffffff)[0] == 2
    assert raw.map(0, prot=0)[0] == 22
    assert raw.map(0, 1, 2, 256)[0] == 14
    err, size, addrs = raw.map(*range(256))
    assert (err, size, len(set(addrs))) == (0, 1 << 20, 256)
    assert raw.call(FORGET, struct.pack('<II', 0, 0))[0] == 16
    assert raw.unmap(addrs[0] + 1) == 14
    assert raw.unmap(addrs[0], addrs[0]) == 14
    assert raw.unmap(addrs[0], 0) == 14
    assert raw.unmap(*addrs) == 0
    assert raw.unmap(addrs[0]) == 14
    assert raw.call(FORGET, struct.pack('<II', 0, 0))[0] == 0
    assert raw.call(FORGET, struct.pack('<II', 0, 0))[0] == 2
    os.close(fd)


GARBAGE = [b'\0' * 64, b'\xff' * 64, struct.pack('<IHHII', 15, HELLO, 0, 0, 0), struct.pack('<IHHII', 1 << 31, HELLO, 0, 0, 0),
           Raw.frame(HELLO, b'short'), Raw.frame(MESSAGE, b'early'), Raw.frame(MAP, bytes(8), 1), Raw.frame(99, b'')]


@pytest.mark.parametrize('data', GARBAGE)
@pytest.mark.parametrize('greeted', [False, True])
def test_garbage(system, data, greeted):
    raw = system.raw()
    if greeted:
        assert raw.hello() == 0
    raw.sock.sendall(data)
    assert raw.gone()
    raw.close()
    client = system.client(system.worker('w'), 'c', 1, 1)
    assert client.process.wait(60) == 0, client.log()


@pytest.mark.parametrize('data', [b'\xff' * 64, Raw.frame(MAP, bytes(8)), Raw.frame(MAP, b'', 1), Raw.frame(MESSAGE, b'x', 1),
                                  Raw.frame(MAP, struct.pack('<II', 3, 1000), 1), Raw.frame(MEMORY, bytes(24), 1)])
def test_garbage_in_calls(system, raw, data):
    raw.calls.sendall(data)
    assert raw.gone()


def test_descriptors_that_nobody_asked_for(system):
    for fds in ([0], [0] * 8):
        raw = system.raw()
        socket.send_fds(raw.sock, [Raw.frame(MESSAGE, b'x')], fds)
        assert raw.gone()
        raw.close()


def test_one_who_does_not_read_is_dropped(system, raw):
    """And the parent keeps serving meanwhile."""
    client = system.client(system.worker('w'), 'c', 1, 5)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(10 ** 6):
            raw.calls.sendall(Raw.frame(MAP, struct.pack('<II', 1, 0), 1))
    assert client.process.wait(60) == 0, client.log()
    system.parent.wait_for('does not read its messages')


def test_hello_is_checked(system):
    name = uuid.uuid4()
    first = system.raw()
    assert first.hello(name=name) == 0
    for options, err in (({'version': VERSION + 1}, 93), ({'vgpu_type': b'other'}, 19), ({'name': name}, 16)):
        raw = system.raw()
        assert raw.hello(**options) == err
        assert raw.gone()
        raw.close()
    first.close()


# ---- the command line ------------------------------------------------------

def test_help_and_mistakes(tmp_path):
    assert 'vfio-pci' in run(PARENT, '--help').stdout
    assert run(PARENT, '--version').stdout.startswith('vgpu-parent ')
    for arguments, status, text in (
            ([], 2, '--driver is missing'),
            (['--driver', EDU], 2, '--parent-config is missing'),
            (['--driver', EDU, '--parent-config', 'software'], 2, '--socket-path is missing'),
            (['--driver', DRIVERS / 'bochs.so', '--parent-config', 'x', '--socket-path', tmp_path / 's'], 3,
             'no parent half'),
            (['--driver', EDU, '--parent-config', 'x', '--socket-path', tmp_path / 's'], 1, 'is expected'),
            (['--driver', EDU, '--parent-config', 'pci=0000:ff:1f.7', '--socket-path', tmp_path / 's'], 1,
             '0000:ff:1f.7'),
            (['--driver', EDU, '--parent-config', 'software', '--socket-path', '/nowhere/s'], 4, '/nowhere/s')):
        done = run(PARENT, *arguments)
        assert done.returncode == status, done.stderr
        assert text in done.stderr


def test_device_needs_its_parent(tmp_path):
    base = [DEVICE, '--driver', EDU, '--socket-path', tmp_path / 's']
    done = run(*base, '--type', 'edu')
    assert done.returncode == 2 and '--parent-socket' in done.stderr
    done = run(*base, '--type', 'edu', '--parent-socket', tmp_path / 'none')
    assert done.returncode == 1 and 'start vgpu-parent first' in done.stderr
    done = run(*base, '--type', 'bochs-16m', '--parent-socket', tmp_path / 'none')
    assert done.returncode == 2 and 'needs no parent' in done.stderr


def test_the_parent_ends_cleanly_in_mid_transfer(tmp_path):
    with System(tmp_path, 'software,delay=2000000') as system:
        raw = system.raw()
        assert raw.hello() == 0
        fd = memfd()
        assert raw.memory(fd) == 0
        raw.request(OP_DMA, pieces=[(raw.map(0)[2][0], 64)])
        eventually(raw.read_by_parent)
        system.parent.process.send_signal(signal.SIGTERM)
        assert system.parent.process.wait(PATIENCE) == 0, system.parent.log()
        assert raw.gone()
        os.close(fd)
