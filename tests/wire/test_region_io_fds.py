# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_GET_REGION_IO_FDS: the test device has two doorbells that can be ioeventfds, bochs has none."""
import errno
import os

import pytest

from vuser import proto
from vuser.client import Client
from vuser.proto import Cmd

DOORBELL, RINGS = 0xA00, 0x914


def request(index, argsz=16, flags=0, count=0):
    return proto.IO_FDS.pack(argsz, flags, index, count)


@pytest.mark.parametrize("index", range(proto.NUM_PCI_REGIONS))
def test_every_region_answers(client, index):
    argsz, flags, got, count, entries, fds = client.region_io_fds(index, argsz=4096)
    for fd in fds:
        os.close(fd)
    assert (flags, got) == (0, index)
    assert (argsz, count, entries, fds) == (16, 0, [], [])


@pytest.mark.parametrize("index", [9, 100, 0xFFFFFFFF])
def test_region_out_of_range(client, refused, index):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(index))


@pytest.mark.parametrize("argsz", [0, 8, 15])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0, argsz))


@pytest.mark.parametrize("flags, count", [(1, 0), (0x80000000, 0), (0, 1), (0, 0xFFFFFFFF)])
def test_fields_that_must_be_zero(client, refused, flags, count):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0, 4096, flags, count))


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0)[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0), eventfds(1))


# -- the test device's doorbells --------------------------------------------------------

def rings(client):
    return client.read(proto.BAR0, RINGS, 4)


def wait_for_rings(client, count):
    """An eventfd is seen in the server's own time, but soon; each question gives it some."""
    for _ in range(1000):
        if rings(client) >= count:
            break
    assert rings(client) == count


@pytest.fixture
def doorbell(tclient, keep):
    _, _, _, _, entries, fds = tclient.region_io_fds(proto.BAR0, argsz=4096)
    for fd in fds:
        keep(fd)
    assert len(fds) == 2
    return entries[0], fds[0]


def test_what_is_offered(tclient, keep):
    argsz, flags, index, count, entries, fds = tclient.region_io_fds(proto.BAR0, argsz=4096)
    for fd in fds:
        keep(fd)
    assert (argsz, flags, index, count, len(fds)) == (96, 0, proto.BAR0, 2, 2)
    for n, entry in enumerate(entries):
        # offset, size, fd_index, type, flags, padding, datamatch
        assert entry == (DOORBELL + 4 * n, 4, n, proto.IO_FD_TYPE_IOEVENTFD, 0, 0, 0)
        assert "eventfd" in os.readlink(f"/proc/self/fd/{fds[n]}")


def test_each_doorbell_has_its_own_eventfd(tclient, keep):
    *_, fds = tclient.region_io_fds(proto.BAR0, argsz=4096)
    for n, fd in enumerate(fds):
        os.eventfd_write(keep(fd), 1)
        wait_for_rings(tclient, n + 1)


@pytest.mark.parametrize("index", [1, 3, 4, proto.ROM, proto.CONFIG])
def test_no_doorbell_elsewhere(tclient, index):
    assert tclient.region_io_fds(index, argsz=4096) == (16, 0, index, 0, [], [])


@pytest.mark.parametrize("argsz", [16, 17, 56, 95])
def test_small_argsz_names_the_full_one(tclient, argsz):
    """No entries and no fds: they come with the reply that has room."""
    got, _, _, count, entries, fds = tclient.region_io_fds(proto.BAR0, argsz=argsz)
    for fd in fds:
        os.close(fd)
    assert (got, entries, fds) == (96, [], [])
    assert count == 2


def test_ring_by_eventfd(tclient, doorbell):
    """As KVM does it: no message, and the driver is called."""
    _, fd = doorbell
    assert rings(tclient) == 0
    os.eventfd_write(fd, 1)
    wait_for_rings(tclient, 1)
    os.eventfd_write(fd, 1)
    wait_for_rings(tclient, 2)


def test_ring_by_message(tclient, doorbell):
    tclient.write(proto.BAR0, DOORBELL, 4, 1)
    assert rings(tclient) == 1
    tclient.region_post(proto.BAR0, DOORBELL, b"\0\0\0\0")
    assert rings(tclient) == 2


def test_ring_before_the_eventfd_was_asked_for(tclient):
    tclient.write(proto.BAR0, DOORBELL, 4, 1)
    assert rings(tclient) == 1


def test_same_eventfd_every_time(testdev, tclient, doorbell, keep):
    _, fd = doorbell
    tclient.barrier()
    before = testdev.fds()
    for _ in range(20):
        *_, fds = tclient.region_io_fds(proto.BAR0, argsz=4096)
        again = keep(fds[0])
        os.close(fds[1])
    tclient.barrier()
    assert testdev.fds() == before
    os.eventfd_write(again, 1)
    os.eventfd_write(fd, 1)
    for _ in range(1000):
        if rings(tclient):
            break
    assert 1 <= rings(tclient) <= 2, "two quick writes may be one ring"


def test_drained_or_flooded_eventfd(tclient, doorbell):
    """The client may read it empty or fill it: the server neither blocks nor spins on it."""
    _, fd = doorbell
    os.set_blocking(fd, False)
    os.eventfd_write(fd, 0xFFFFFFFFFFFFFFFE)
    wait_for_rings(tclient, 1)
    for _ in range(50):
        os.eventfd_write(fd, 1)
        try:
            os.eventfd_read(fd)
        except BlockingIOError:
            pass
        tclient.barrier()


def test_client_that_takes_one_fd(testdev):
    """rust-vmm's max_msg_fds: never more fds in a reply than the client takes."""
    with Client(testdev.path) as c:
        c.version(0, 0, caps={"max_msg_fds": 1})
        *_, entries, fds = c.region_io_fds(proto.BAR0, argsz=4096)
        for fd in fds:
            os.close(fd)
        assert len(entries) == len(fds) == 1


def test_old_client_s_eventfd_rings_nothing(testdev, keep):
    with Client(testdev.path) as first:
        first.version(0, 0, caps={"max_msg_fds": 16})
        *_, fds = first.region_io_fds(proto.BAR0, argsz=4096)
        old = keep(fds[0])
        os.close(fds[1])
    testdev.wait_idle()
    with Client(testdev.path) as second:
        second.version(0, 0, caps={"max_msg_fds": 16})
        os.eventfd_write(old, 1)
        *_, fds = second.region_io_fds(proto.BAR0, argsz=4096)
        keep(fds[0]), keep(fds[1])
        for _ in range(20):
            assert rings(second) == 0
