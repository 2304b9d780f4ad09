# SPDX-License-Identifier: MIT
"""Servers and clients for the wire tests.

VGPU_BUILD names the build directory; the programs and drivers are found below it.
"""
import os
import select
from pathlib import Path

import pytest

from vuser import proto
from vuser.channel import Channel
from vuser.client import Client, WireError
from vuser.conversation import conversation
from vuser.profiles import QemuClient
from vuser.server import Server, ServerDied
from vuser.testdev import Engine

DRIVERS = {"bochs-16m": "*bochs*.so", "testdev": "*testdev*.so"}


def _find(pattern):
    build = os.environ.get("VGPU_BUILD")
    if not build:
        pytest.exit("set VGPU_BUILD to the build directory", returncode=2)
    found = sorted(p for p in Path(build).rglob(pattern) if p.is_file() and os.access(p, os.X_OK))
    if not found:
        pytest.exit(f"no {pattern} below {build}: build first", returncode=2)
    return found[0]


def start_server(kind, *args):
    return Server(_find("vgpu-device"), ["--driver", str(_find(DRIVERS[kind])), "--type", kind, *args])


class SharedServer:
    """One process for many tests; a test that kills it is reported, the next one gets a new one."""

    def __init__(self, kind):
        self.kind = kind
        self.server = None
        self.broken = None

    def get(self):
        if self.broken:
            pytest.fail(f"{self.kind} did not start before: {self.broken}")
        if self.server is None:
            try:
                self.server = start_server(self.kind)
            except ServerDied as e:
                self.broken = e
                raise
        return self.server

    def check(self):
        try:
            self.server.wait_idle()
        except BaseException:
            dead, self.server = self.server, None
            dead.process.kill()
            dead.process.wait()
            dead.dir.cleanup()
            raise

    def stop(self):
        if self.server is not None:
            self.server.stop()


@pytest.fixture(scope="session")
def _bochs_shared():
    shared = SharedServer("bochs-16m")
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def _testdev_shared():
    shared = SharedServer("testdev")
    yield shared
    shared.stop()


@pytest.fixture
def bochs(_bochs_shared):
    """A bochs server without a client; afterwards it must hold no more than before."""
    yield _bochs_shared.get()
    _bochs_shared.check()


@pytest.fixture
def testdev(_testdev_shared):
    """The test driver's server, likewise."""
    yield _testdev_shared.get()
    _testdev_shared.check()


@pytest.fixture
def fresh_server():
    """Factory of servers of one test's own: fresh_server(kind, *arguments)."""
    servers = []

    def factory(kind="bochs-16m", *args):
        servers.append(start_server(kind, *args))
        return servers[-1]

    yield factory
    for server in servers:
        server.stop()


def _negotiated(server):
    client = QemuClient(server.path)
    client.negotiate()
    return client


@pytest.fixture
def client(bochs):
    """A client of the bochs device that has negotiated like QEMU."""
    with _negotiated(bochs) as c:
        yield c


@pytest.fixture
def tclient(testdev):
    """A client of the test driver that has negotiated like QEMU."""
    with _negotiated(testdev) as c:
        yield c


@pytest.fixture
def engine(tclient):
    """The test device's DMA engine, for a client with one socket."""
    return Engine(tclient)


@pytest.fixture
def twin(testdev):
    """A client of the test device with a socket of its own for what the server asks."""
    with Client(testdev.path) as c:
        c.version(0, 1, caps={"twin_socket": {"supported": True}, "max_msg_fds": 8})
        yield c


@pytest.fixture
def armed(tclient):
    """A client of the test device with memory decode and bus mastering on, as a guest's driver leaves it."""
    tclient.write(proto.CONFIG, 4, 2, 0x0006)
    return tclient


@pytest.fixture
def channel(bochs):
    """A raw connection to the bochs device that has negotiated."""
    c = Channel.connect(bochs.path)
    c.send(conversation()[0][0])
    assert not c.recv().is_error
    yield c
    c.close()


@pytest.fixture
def keep():
    """keep(fd) closes fd at the end of the test."""
    fds = []

    def add(fd):
        fds.append(fd)
        return fd

    yield add
    for fd in fds:
        os.close(fd)


@pytest.fixture
def memfd(keep):
    """memfd(size) makes a file of guest memory."""
    def make(size, name="wire-guest-ram"):
        fd = keep(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(fd, size)
        return fd
    return make


@pytest.fixture
def eventfds(keep):
    """eventfds(n) makes n non-blocking eventfds."""
    def make(count=1):
        return [keep(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)) for _ in range(count)]
    return make


@pytest.fixture
def fds_for(memfd, eventfds):
    """fds_for(number of a message of the conversation)."""
    guest, event = memfd(1 << 20), eventfds()[0]
    return lambda n: {1: (guest,), 6: (event,)}.get(n, ())


def expect_error(client, errno_, cmd, payload=b"", fds=()):
    """The request fails with exactly this errno (or one of several), and the connection lives on in step."""
    allowed = errno_ if isinstance(errno_, (set, tuple)) else (errno_,)
    with pytest.raises(WireError) as caught:
        client.call(cmd, payload, fds)
    assert caught.value.errno in allowed, str(caught.value)
    client.barrier()


@pytest.fixture
def refused():
    return expect_error


def eventfd_count(fd, timeout=2.0):
    """Wait for the eventfd and return its counter; 0 if nothing came."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return os.eventfd_read(fd) if poller.poll(timeout * 1000) else 0


@pytest.fixture
def signalled():
    return eventfd_count
