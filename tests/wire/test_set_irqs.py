# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_SET_IRQS: every data and action form, and what must not get past it."""
import errno
import os
import socket

import pytest

from vuser import proto
from vuser.proto import Cmd

NONE, BOOL, EVENTFD = proto.DATA_NONE, proto.DATA_BOOL, proto.DATA_EVENTFD
MASK, UNMASK, TRIGGER = proto.ACTION_MASK, proto.ACTION_UNMASK, proto.ACTION_TRIGGER
INTX, MSI, MSIX, ERR, REQ = range(5)
QUIET = 0.02


def request(flags, index, start=0, count=1, data=b"", argsz=None):
    return proto.IRQ_SET.pack(20 + len(data) if argsz is None else argsz, flags, index, start, count) + data


# -- triggers ------------------------------------------------------------------

@pytest.mark.parametrize("index", [INTX, MSI, MSIX, ERR, REQ])
def test_loop_back_trigger(armed, eventfds, signalled, index):
    """DATA_NONE | TRIGGER fires what is configured: how a client tests its wiring."""
    event, = eventfds()
    armed.irq_eventfds(index, [event])
    armed.irq_action(TRIGGER, index)
    assert signalled(event) == 1


def test_loop_back_by_bools(armed, eventfds, signalled):
    events = eventfds(4)
    armed.irq_eventfds(MSIX, events)
    armed.irq_action_bools(TRIGGER, MSIX, 0, [1, 0, 0, 1])
    assert [signalled(e, QUIET) for e in events] == [1, 0, 0, 1]
    armed.irq_action_bools(TRIGGER, MSIX, 1, [0xFF, 0])
    assert [signalled(e, QUIET) for e in events] == [0, 1, 0, 0]


def test_trigger_of_a_vector_without_eventfd_is_no_error(armed):
    armed.irq_action(TRIGGER, MSIX, 3)


def test_trigger_of_a_range(armed, eventfds, signalled):
    events = eventfds(6)
    armed.irq_eventfds(MSIX, events)
    armed.irq_action(TRIGGER, MSIX, 2, 3)
    assert [signalled(e, QUIET) for e in events] == [0, 0, 1, 1, 1, 0]


# -- setting up and taking down --------------------------------------------------

def test_vectors_are_added_one_by_one(armed, eventfds, signalled):
    """Incremental changes: a new vector leaves the others alone."""
    events = eventfds(8)
    for n in (0, 7, 3):
        armed.irq_eventfds(MSIX, [events[n]], start=n)
    armed.irq_action(TRIGGER, MSIX, 0, 8)
    assert [signalled(e, QUIET) for e in events] == [1, 0, 0, 1, 0, 0, 0, 1]


def test_vector_gets_another_eventfd(armed, eventfds, signalled):
    old, new, other = eventfds(3)
    armed.irq_eventfds(MSIX, [old, other])
    armed.irq_eventfds(MSIX, [new])
    armed.irq_action(TRIGGER, MSIX, 0, 2)
    assert [signalled(e, QUIET) for e in (old, new, other)] == [0, 1, 1]


def test_no_fds_de_assigns(armed, eventfds, signalled):
    events = eventfds(4)
    armed.irq_eventfds(MSIX, events)
    armed.irq_deassign(MSIX, 1, 2)
    armed.irq_action(TRIGGER, MSIX, 0, 4)
    assert [signalled(e, QUIET) for e in events] == [1, 0, 0, 1]


@pytest.mark.parametrize("index", [INTX, MSI, MSIX, ERR, REQ])
def test_none_with_count_zero_disables_the_index(armed, eventfds, signalled, index):
    event, = eventfds()
    armed.irq_eventfds(index, [event])
    armed.irq_disable(index)
    armed.irq_action(TRIGGER, index)
    assert signalled(event, QUIET) == 0


def test_disable_of_what_was_never_enabled(armed):
    for index in range(5):
        armed.irq_disable(index)


def test_all_vectors_in_chunks(armed, testdev, eventfds, signalled):
    """QEMU sends as many eventfds in a message as the server said it takes."""
    _, count = armed.irq_info(MSIX)
    chunk = armed.max_msg_fds
    events = eventfds(count)
    before = sum(testdev.fds().values())
    for first in range(0, count, chunk):
        armed.irq_eventfds(MSIX, events[first:first + chunk], start=first)
    assert sum(testdev.fds().values()) - before == count
    armed.irq_action(TRIGGER, MSIX, 0, count)
    assert all(signalled(e) == 1 for e in events)
    armed.irq_disable(MSIX)
    assert sum(testdev.fds().values()) == before, "a disabled index holds no eventfd"


def test_indexes_do_not_share_eventfds(armed, eventfds, signalled):
    intx, msi, msix, err, req = events = eventfds(5)
    for index, event in enumerate(events):
        armed.irq_eventfds(index, [event])
    armed.irq_disable(MSIX)
    armed.irq_action(TRIGGER, ERR)
    armed.irq_action(TRIGGER, MSI)
    assert [signalled(e, QUIET) for e in events] == [0, 1, 0, 1, 0]


def test_same_eventfd_for_many_vectors(armed, eventfds, signalled):
    event, = eventfds()
    armed.irq_eventfds(MSIX, [event] * 8)
    armed.irq_action(TRIGGER, MSIX, 0, 8)
    assert signalled(event) == 8


# -- eventfds of a hostile client -------------------------------------------------

@pytest.mark.parametrize("index", [INTX, MSIX])
def test_full_blocking_eventfd_does_not_block_the_server(armed, keep, index):
    event = keep(os.eventfd(0, os.EFD_CLOEXEC))
    armed.irq_eventfds(index, [event])
    os.eventfd_write(event, 0xFFFFFFFFFFFFFFFE)
    armed.irq_action(TRIGGER, index)
    armed.barrier()
    assert os.eventfd_read(event) == 0xFFFFFFFFFFFFFFFE


def test_busy_resample_eventfd_does_not_starve_the_client(armed, keep, eventfds):
    """A client that keeps its resample eventfd readable must not spin the server."""
    event, = eventfds()
    resample = keep(os.eventfd(0xFFFFFFFE, os.EFD_CLOEXEC | os.EFD_SEMAPHORE))
    armed.irq_eventfds(INTX, [event])
    armed.irq_eventfds(INTX, [resample], action=UNMASK)
    for _ in range(20):
        armed.barrier()


def _not_eventfds(keep):
    left, right = os.pipe()
    keep(left), keep(right)
    a, b = socket.socketpair()
    keep(a.detach())
    return {
        "pipe": right,
        "pipe-read": left,
        "socket": keep(b.detach()),
        "memfd": keep(os.memfd_create("no-eventfd")),
        "null": keep(os.open("/dev/null", os.O_RDWR)),
        "directory": keep(os.open("/", os.O_RDONLY)),
        "path": keep(os.open("/dev/null", os.O_PATH)),
    }


@pytest.mark.parametrize("kind", ["pipe", "pipe-read", "socket", "memfd", "null", "directory", "path"])
@pytest.mark.parametrize("index, action", [(MSIX, TRIGGER), (INTX, TRIGGER), (INTX, UNMASK)])
def test_fd_that_is_no_eventfd(armed, refused, keep, kind, index, action):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(EVENTFD | action, index), (_not_eventfds(keep)[kind],))


def test_one_wrong_fd_among_good_ones_changes_nothing(armed, refused, keep, eventfds, signalled):
    old = eventfds(3)
    armed.irq_eventfds(MSIX, old)
    new = eventfds(2)
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(EVENTFD | TRIGGER, MSIX, 0, 3),
            (new[0], _not_eventfds(keep)["memfd"], new[1]))
    armed.irq_action(TRIGGER, MSIX, 0, 3)
    assert [signalled(e, QUIET) for e in old + new] == [1, 1, 1, 0, 0]


# -- malformed -------------------------------------------------------------------

@pytest.mark.parametrize("flags", [
    0, NONE, BOOL, EVENTFD, TRIGGER, MASK, UNMASK,
    NONE | BOOL | TRIGGER, NONE | EVENTFD | TRIGGER, BOOL | EVENTFD | TRIGGER, NONE | BOOL | EVENTFD | TRIGGER,
    NONE | MASK | UNMASK, NONE | MASK | TRIGGER, NONE | UNMASK | TRIGGER, NONE | MASK | UNMASK | TRIGGER,
    NONE | TRIGGER | 0x40, NONE | TRIGGER | 1 << 31,
], ids=hex)
def test_flags_that_make_no_sense(armed, refused, flags):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(flags, MSIX, data=b"\1" if flags & BOOL else b""))


@pytest.mark.parametrize("index", [5, 6, 0x80000000, 0xFFFFFFFF])
def test_index_out_of_range(armed, refused, index):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, index))
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, index, 0, 0))


def test_index_that_the_device_lacks(client, refused, eventfds):
    """bochs has no MSI-X."""
    assert client.irq_info(MSIX)[1] == 0
    refused(client, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(EVENTFD | TRIGGER, MSIX), eventfds(1))
    refused(client, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, MSIX))


@pytest.mark.parametrize("start, count", [
    (0, 2), (1, 1), (1, 0), (0xFFFFFFFF, 1), (1, 0xFFFFFFFF), (0, 0xFFFFFFFF), (0x80000000, 0x80000000), (0xFFFFFFFF, 2),
], ids=hex)
@pytest.mark.parametrize("flags", [NONE | TRIGGER, EVENTFD | TRIGGER, NONE | MASK])
def test_range_out_of_bounds(armed, refused, start, count, flags):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(flags, INTX, start, count))


@pytest.mark.parametrize("index", [MSI, MSIX])
def test_range_just_past_the_end(armed, refused, index):
    _, count = armed.irq_info(index)
    for start, n in ((0, count + 1), (count, 1), (count - 1, 2), (count, 0)):
        refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, index, start, n))
    armed.irq_action(TRIGGER, index, count - 1, 1)


@pytest.mark.parametrize("fds, count", [(1, 2), (2, 1), (3, 1), (1, 0), (0, 0)])
def test_number_of_fds_is_not_the_count(armed, refused, eventfds, fds, count):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(EVENTFD | TRIGGER, MSIX, 0, count), eventfds(fds))


@pytest.mark.parametrize("flags", [NONE | TRIGGER, BOOL | TRIGGER])
def test_fds_where_none_belong(armed, refused, eventfds, flags):
    data = b"\1" if flags & BOOL else b""
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(flags, MSIX, data=data), eventfds(1))


@pytest.mark.parametrize("data, count", [(b"", 1), (b"\1", 2), (b"\1\1", 3), (b"", 17)])
def test_too_few_bools(armed, refused, data, count):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(BOOL | TRIGGER, MSIX, 0, count, data))
    # argsz may promise what the message does not carry.
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(BOOL | TRIGGER, MSIX, 0, count, data, 20 + count))


@pytest.mark.parametrize("argsz", [0, 16, 19])
def test_argsz_below_the_structure(armed, refused, argsz):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, MSIX, argsz=argsz))


def test_argsz_that_does_not_cover_the_bools(armed, refused):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(BOOL | TRIGGER, MSIX, 0, 4, b"\1\1\1\1", 22))


@pytest.mark.parametrize("size", [0, 4, 12, 19])
def test_short_request(armed, refused, size):
    refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, MSIX)[:size])


@pytest.mark.parametrize("index", [MSI, MSIX, ERR, REQ])
@pytest.mark.parametrize("action", [MASK, UNMASK])
def test_masking_is_only_for_what_says_maskable(armed, refused, index, action):
    flags, _ = armed.irq_info(index)
    if flags & proto.IRQ_MASKABLE:
        armed.irq_action(action, index)
    else:
        refused(armed, {errno.EINVAL, errno.ENOTSUP}, Cmd.DEVICE_SET_IRQS, request(NONE | action, index))


def test_posted_with_fds(armed, eventfds, signalled):
    event, = eventfds()
    armed.post(Cmd.DEVICE_SET_IRQS, request(EVENTFD | TRIGGER, MSIX), (event,))
    armed.post(Cmd.DEVICE_SET_IRQS, request(NONE | TRIGGER, MSIX))
    assert signalled(event) == 1
    armed.barrier()


def test_fds_of_a_refused_request_are_closed(armed, testdev, refused, eventfds):
    before = testdev.fds()
    for _ in range(20):
        refused(armed, errno.EINVAL, Cmd.DEVICE_SET_IRQS, request(EVENTFD | TRIGGER, MSIX, 0, 1), eventfds(8))
    assert testdev.fds() == before
