# SPDX-License-Identifier: MIT
"""DMA: the device uses the client's memory, by its file or by VFIO_USER_DMA_READ and _WRITE, on one socket or two.

The test device's engine copies between IOVAs and the plain memory of its BAR4.
"""
import errno
import os
import struct
import time

import pytest

from vuser import proto
from vuser.channel import Closed, PATIENCE, Timeout
from vuser.client import Client, WireError
from vuser.profiles import LvuSampleClient, QEMU_JSON, QemuClient, RustVmmClient
from vuser.proto import Cmd, ProtocolError

MIB = 1 << 20
PAGE = 4096
MESSAGE_MAX = 64 << 10  # QEMU may cut longer ones short
BUFFER = 128 << 10
READ, WRITE, READ_ASYNC, WRITE_ASYNC, CANCEL, GET, PUT = range(1, 8)
REGS = 0xB00


class Engine:
    """The DMA registers of the test device."""

    def __init__(self, client):
        self.client = client

    def _reg(self, offset):
        return self.client.read(proto.BAR0, REGS + offset, 4)

    def start(self, op, iova, length):
        self.client.region_write(proto.BAR0, REGS, struct.pack("<QI", iova, length))
        self.client.write(proto.BAR0, REGS + 0x0C, 4, op)

    def run(self, op, iova, length):
        """Start, and serve the server's requests until it is over; returns the errno."""
        done = self.done
        self.start(op, iova, length)
        self.wait(lambda: self.done != done)
        return self.result

    def wait(self, condition=None):
        """Ask until it is so; by default until nothing is under way."""
        deadline = time.monotonic() + PATIENCE
        while not (condition() if condition else self.under_way == 0):
            assert time.monotonic() < deadline, "the copy does not end"

    under_way = property(lambda self: self._reg(0x0C))
    result = property(lambda self: self._reg(0x10))
    done = property(lambda self: self._reg(0x14))
    held = property(lambda self: self._reg(0x18))
    unmaps = property(lambda self: self._reg(0x1C))
    lost = property(lambda self: self._reg(0x20))

    def keep(self, value):
        self.client.write(proto.BAR0, REGS + 0x24, 4, value)

    def buffer(self, length, offset=0):
        return self.client.region_read(proto.BAR4, BUFFER + offset, length)

    def fill(self, data):
        self.client.region_write(proto.BAR4, BUFFER, data)


class Guest:
    """Memory that the client keeps to itself and serves by messages, noting each request."""

    def __init__(self, client, base, size):
        self.base, self.data, self.requests = base, bytearray(size), []
        client.on_command = self.serve

    def serve(self, frame):
        address, count = proto.DMA_ACCESS.unpack_from(frame.payload)
        body = frame.payload[proto.DMA_ACCESS.size:]
        assert frame.flags == proto.COMMAND and frame.error == 0 and not frame.fds
        assert len(body) == (count if frame.cmd == Cmd.DMA_WRITE else 0)
        self.requests.append((Cmd(frame.cmd), address, count))
        at = address - self.base
        if not 0 <= at <= len(self.data) - count:
            return errno.ENODEV
        if frame.cmd == Cmd.DMA_WRITE:
            self.data[at:at + count] = body
            return proto.DMA_ACCESS.pack(address, count)
        return proto.DMA_ACCESS.pack(address, count) + self.data[at:at + count]


@pytest.fixture
def engine(tclient):
    return Engine(tclient)


@pytest.fixture
def twin(testdev):
    """A client with a socket of its own for what the server asks."""
    with Client(testdev.path) as c:
        c.version(0, 1, caps={"twin_socket": {"supported": True}, "max_msg_fds": 8})
        yield c


# -- memory with a file ---------------------------------------------------------------

def test_by_the_file(tclient, engine, memfd):
    """Memory that the server can map is used without a message."""
    ram = memfd(MIB)
    tclient.dma_map(0, MIB, ram)
    os.pwrite(ram, b"from the guest", 0x1FFA)
    assert engine.run(READ, 0x1FFA, 14) == 0
    assert engine.buffer(14) == b"from the guest"
    engine.fill(b"to the guest")
    assert engine.run(WRITE, 0x2FFC, 12) == 0
    assert os.pread(ram, 14, 0x2FFB) == b"\0to the guest\0"
    assert not tclient.commands


def test_file_offset(tclient, engine, memfd):
    ram = memfd(MIB)
    os.pwrite(ram, b"at 64 KiB", 0x10000)
    tclient.dma_map(0x8000000000, PAGE, ram, offset=0x10000)
    assert engine.run(READ, 0x8000000000, 9) == 0
    assert engine.buffer(9) == b"at 64 KiB"


def test_from_one_map_into_the_next(tclient, engine, memfd):
    low, high = memfd(PAGE), memfd(PAGE)
    tclient.dma_map(0, PAGE, low)
    tclient.dma_map(PAGE, PAGE, high)
    engine.fill(b"low|high")
    assert engine.run(WRITE, PAGE - 4, 8) == 0
    assert os.pread(low, 4, PAGE - 4) == b"low|" and os.pread(high, 4, 0) == b"high"


@pytest.mark.parametrize("op", [READ, WRITE, READ_ASYNC, WRITE_ASYNC])
@pytest.mark.parametrize("iova, length, result", [
    (MIB, 4, errno.EFAULT), (MIB - 4, 8, errno.EFAULT), (1 << 40, 4, errno.EFAULT), ((1 << 64) - 4, 4, errno.EFAULT),
    ((1 << 64) - 4, 8, errno.EINVAL),
])
def test_where_nothing_is_mapped(tclient, engine, memfd, op, iova, length, result):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(op, iova, length) == result


@pytest.mark.parametrize("flags, op, result", [
    (proto.DMA_READABLE, READ, 0), (proto.DMA_READABLE, WRITE, errno.EACCES),
    (proto.DMA_WRITEABLE, READ, errno.EACCES), (proto.DMA_WRITEABLE, WRITE, 0),
])
def test_permissions(tclient, engine, memfd, flags, op, result):
    tclient.dma_map(0, MIB, memfd(MIB), flags=flags)
    assert engine.run(op, 0, 64) == result


def test_nothing_after_the_unmap(tclient, engine, memfd):
    ram = memfd(MIB)
    tclient.dma_map(0, MIB, ram)
    tclient.dma_unmap(0, MIB)
    engine.fill(b"too late")
    assert engine.run(WRITE, 0, 8) == errno.EFAULT
    assert os.pread(ram, 8, 0) == bytes(8)


def test_maps_survive_a_reset(tclient, engine, memfd):
    ram = memfd(MIB)
    tclient.dma_map(0, MIB, ram)
    tclient.reset()
    os.pwrite(ram, b"still there", 0)
    assert engine.run(READ, 0, 11) == 0
    assert engine.buffer(11) == b"still there"


def test_truncated_file(testdev, tclient, engine, memfd):
    """The access that would be SIGBUS reads zeroes, the driver is told, and the server lives."""
    ram = memfd(MIB)
    tclient.dma_map(0, MIB, ram)
    os.pwrite(ram, b"gone", 0x8000)
    os.ftruncate(ram, 0)
    assert engine.run(READ, 0x8000, 4) == 0
    assert engine.buffer(4) == bytes(4)
    assert engine.lost >= 1
    assert engine.run(WRITE, 0x20000, 100) == 0
    testdev.check_alive()
    tclient.dma_unmap(0, MIB)


def test_fd_closed_by_the_client(tclient, engine):
    fd = os.memfd_create("short-lived")
    os.ftruncate(fd, MIB)
    os.pwrite(fd, b"mapped", 0)
    tclient.dma_map(0, MIB, fd)
    os.close(fd)
    assert engine.run(READ, 0, 6) == 0
    assert engine.buffer(6) == b"mapped"


# -- unmaps that have to wait -------------------------------------------------------------

def test_held_memory_is_let_go_by_the_unmap(tclient, engine, memfd):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, 2 * PAGE) == 0
    assert engine.held == 1
    tclient.dma_unmap(0, MIB)
    assert (engine.held, engine.unmaps) == (0, 1)


def test_unmap_is_answered_when_the_driver_has_let_go(testdev, tclient, engine, memfd):
    """The reply is held; other requests overtake it; nothing of the range is in use once it is answered."""
    tclient.dma_map(0, MIB, memfd(MIB, "wire-held"))
    tclient.dma_map(MIB, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    engine.keep(1)
    request = proto.DMA_UNMAP.pack(24, 0, 0, MIB)
    held = tclient.submit(Cmd.DMA_UNMAP, request)
    other = tclient.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, MIB, MIB))
    tclient.wait(other, Cmd.DMA_UNMAP)
    assert engine.held == 1 and held not in tclient.replies
    assert engine.run(READ, 0, 4) == errno.EFAULT, "no new use of memory that is being taken back"
    engine.start(PUT, 0, 0)
    assert tclient.wait(held, Cmd.DMA_UNMAP).payload == request
    assert "wire-held" not in testdev.maps()


def test_same_range_can_be_mapped_again_only_after_the_answer(tclient, engine, refused, memfd):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    engine.keep(1)
    held = tclient.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB))
    refused(tclient, {errno.EEXIST, errno.EBUSY}, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB))
    engine.start(PUT, 0, 0)
    tclient.wait(held, Cmd.DMA_UNMAP)
    tclient.dma_map(0, MIB)


def test_driver_that_never_lets_go(tclient, engine, memfd):
    """Its context is reset, and the client is answered before QEMU's patience ends."""
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    engine.keep(1)
    tclient.dma_unmap(0, MIB)
    assert engine.held == 0
    assert tclient.read(proto.BAR0, 0x14, 4) == 4, "reset for its use of DMA"


def test_reset_lets_go(tclient, engine, memfd):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    tclient.reset()
    assert engine.held == 0
    tclient.dma_unmap(0, MIB)


@pytest.mark.parametrize("kept", [0, 1])
def test_client_that_leaves_while_memory_is_held(testdev, memfd, kept):
    with QemuClient(testdev.path) as client:
        client.negotiate()
        engine = Engine(client)
        client.dma_map(0, MIB, memfd(MIB))
        assert engine.run(GET, 0, PAGE) == 0
        engine.keep(kept)
        client.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB))
        client.barrier()
    testdev.wait_idle()
    assert "wire-guest-ram" not in testdev.maps()


# -- memory without a file ----------------------------------------------------------------

@pytest.mark.parametrize("sockets", ["one", "twin"])
@pytest.mark.parametrize("length", [1, 4, PAGE, MESSAGE_MAX, MESSAGE_MAX + 1, BUFFER])
def test_read_by_message(request, sockets, length):
    with_twin = sockets == "twin"
    client = request.getfixturevalue("twin" if with_twin else "tclient")
    engine, guest = Engine(client), Guest(client, 0, MIB)
    client.dma_map(0, MIB)
    guest.data[:] = os.urandom(MIB)
    _run(client, engine, guest, READ_ASYNC, 0x123, length)
    assert engine.result == 0
    assert engine.buffer(length) == guest.data[0x123:0x123 + length]
    _check_pieces(guest, Cmd.DMA_READ, 0x123, length)


@pytest.mark.parametrize("sockets", ["one", "twin"])
@pytest.mark.parametrize("length", [1, 4, PAGE, MESSAGE_MAX, MESSAGE_MAX + 1, BUFFER])
def test_write_by_message(request, sockets, length):
    client = request.getfixturevalue("twin" if sockets == "twin" else "tclient")
    engine, guest = Engine(client), Guest(client, 0, MIB)
    client.dma_map(0, MIB)
    data = os.urandom(length)
    engine.fill(data)
    _run(client, engine, guest, WRITE_ASYNC, 0x123, length)
    assert engine.result == 0
    assert guest.data[:0x123 + length + 1] == bytes(0x123) + data + b"\0"
    _check_pieces(guest, Cmd.DMA_WRITE, 0x123, length)


def _run(client, engine, guest, op, iova, length):
    """Start a copy and serve it to its end, on whichever socket the requests come."""
    done = engine.done
    engine.start(op, iova, length)
    if client.twin:
        left = length
        while left:
            frame = client.next_command()
            answer = guest.serve(frame)
            if isinstance(answer, int):
                client.answer(frame, error=answer)
                break
            client.answer(frame, answer)
            left -= guest.requests[-1][2]
    engine.wait(lambda: engine.done != done)


def _check_pieces(guest, cmd, iova, length):
    """In order, adjacent, none larger than clients are known to take."""
    at = iova
    for got, address, count in guest.requests:
        assert got == cmd and address == at and 0 < count <= MESSAGE_MAX
        at += count
    assert at == iova + length


def test_mmio_is_answered_before_the_question(tclient, engine):
    """QEMU serves DMA on the thread that waits for the MMIO's reply: asking first would be a dead-lock."""
    Guest(tclient, 0, MIB)
    tclient.dma_map(0, MIB)
    tclient.region_write(proto.BAR0, REGS, struct.pack("<QI", 0, PAGE))
    order = []
    serve = tclient.on_command
    tclient.on_command = lambda frame: order.append("question") or serve(frame)
    tclient.write(proto.BAR0, REGS + 0x0C, 4, READ_ASYNC)
    assert order == []
    engine.wait()
    assert order == ["question"]


def test_one_question_at_a_time(tclient, engine):
    """While it is out the client's own requests are served; the second comes after the first is answered."""
    tclient.dma_map(0, MIB)
    for _ in range(5):
        engine.start(READ_ASYNC, 0, 16)
    frame = tclient.next_command()
    for _ in range(10):
        tclient.barrier()
    assert not tclient.commands
    assert engine.under_way == 5
    for _ in range(4):
        tclient.answer(frame, frame.payload + bytes(16))
        frame = tclient.next_command()
    tclient.answer(frame, frame.payload + bytes(16))
    engine.wait()
    assert (engine.done, engine.result) == (5, 0)


def test_synchronous_access_does_not_ask(tclient, engine):
    tclient.dma_map(0, MIB)
    assert engine.run(READ, 0, 4) == errno.EOPNOTSUPP
    assert not tclient.commands


def test_partly_by_file_partly_by_message(tclient, engine, memfd):
    ram = memfd(PAGE)
    os.pwrite(ram, b"filed", PAGE - 5)
    tclient.dma_map(0, PAGE, ram)
    tclient.dma_map(PAGE, PAGE)
    guest = Guest(tclient, PAGE, PAGE)
    guest.data[:6] = b"asked!"
    assert engine.run(READ_ASYNC, PAGE - 5, 11) == 0
    assert engine.buffer(11) == b"filedasked!"
    assert guest.requests == [(Cmd.DMA_READ, PAGE, 6)]


def test_permissions_without_a_file(tclient, engine):
    guest = Guest(tclient, 0, MIB)
    tclient.dma_map(0, MIB, flags=proto.DMA_READABLE)
    assert engine.run(READ_ASYNC, 0, 16) == 0
    assert engine.run(WRITE_ASYNC, 0, 16) == errno.EACCES
    assert len(guest.requests) == 1


def test_client_s_error_reaches_the_driver(tclient, engine):
    """QEMU answers ENODEV for addresses that are no memory of its."""
    tclient.on_command = lambda frame: errno.ENODEV
    tclient.dma_map(0, MIB)
    assert engine.run(READ_ASYNC, 0, 16) != 0
    assert engine.run(WRITE_ASYNC, 0, 16) != 0


def test_later_pieces_are_not_asked_for_after_an_error(tclient, engine):
    calls = []
    tclient.on_command = lambda frame: calls.append(frame.id) or errno.EIO
    tclient.dma_map(0, MIB)
    assert engine.run(READ_ASYNC, 0, BUFFER) != 0
    assert len(calls) == 1


@pytest.mark.parametrize("limit", [16, 1024, 5000, 65536])
def test_client_s_transfer_limit_is_kept(testdev, limit):
    """libvfio-user's client takes 1024 bytes a message."""
    with Client(testdev.path) as client:
        client.version(0, 0, caps={"max_data_xfer_size": limit})
        engine, guest = Engine(client), Guest(client, 0, MIB)
        client.dma_map(0, MIB)
        guest.data[:8192] = os.urandom(8192)
        assert engine.run(READ_ASYNC, 0, 8192) == 0
        assert all(count <= limit for _, _, count in guest.requests)
        for at in range(0, 8192, min(limit, 4096)):
            size = min(limit, 4096, 8192 - at)
            assert engine.buffer(size, at) == guest.data[at:at + size]


def test_lvu_client_serves_dma(testdev):
    with LvuSampleClient(testdev.path) as client:
        client.negotiate()
        engine, guest = Engine(client), Guest(client, 0, PAGE)
        client.dma_map(0, PAGE)
        engine.fill(b"w" * 1024)
        assert engine.run(WRITE_ASYNC, 0, 1024) == 0
        assert engine.run(READ_ASYNC, 0, PAGE) == 0
        assert guest.data == b"w" * 1024 + bytes(PAGE - 1024)
        assert {count for _, _, count in guest.requests} <= set(range(1, 1025))


def test_write_reply_with_a_short_count(tclient, engine):
    """The specification's table gives it 4 bytes of count, implementations 8."""
    tclient.on_command = lambda frame: frame.payload[:12]
    tclient.dma_map(0, MIB)
    assert engine.run(WRITE_ASYNC, 0, 16) == 0


@pytest.mark.parametrize("answer", [
    b"", bytes(8), proto.DMA_ACCESS.pack(0, 15), proto.DMA_ACCESS.pack(0, 17), proto.DMA_ACCESS.pack(PAGE, 16),
    proto.DMA_ACCESS.pack(0, 16) + b"more",
], ids=["empty", "no-count", "fewer", "more", "address", "long"])
def test_nonsense_in_reply_to_a_write(tclient, engine, answer):
    tclient.on_command = lambda frame: answer
    tclient.dma_map(0, MIB)
    assert engine.run(WRITE_ASYNC, 0, 16) != 0


@pytest.mark.parametrize("answer", [
    b"",
    proto.DMA_ACCESS.pack(0, 16),
    proto.DMA_ACCESS.pack(0, 16) + bytes(15),
    proto.DMA_ACCESS.pack(0, 16) + bytes(17),
    proto.DMA_ACCESS.pack(0, 15) + bytes(16),
    proto.DMA_ACCESS.pack(0, 15) + bytes(15),
    proto.DMA_ACCESS.pack(0, 0),
    proto.DMA_ACCESS.pack(0, 1 << 40) + bytes(16),
    proto.DMA_ACCESS.pack(PAGE, 16) + bytes(16),
    proto.DMA_ACCESS.pack(0, 32) + bytes(32),
    bytes(MIB),
], ids=["empty", "no-data", "short", "long", "count-less", "cut-short", "nothing", "count-huge", "address", "more", "a-megabyte"])
def test_nonsense_in_reply_to_a_read(tclient, engine, answer):
    """The copy fails; not one byte more than was asked for is written anywhere."""
    tclient.on_command = lambda frame: answer
    engine.fill(b"\xaa" * 64)
    tclient.dma_map(0, MIB)
    assert engine.run(READ_ASYNC, 0, 16) != 0
    assert engine.buffer(48, 16) == b"\xaa" * 48
    tclient.on_command = None
    tclient.barrier()


def test_reply_with_another_id_or_command(tclient, engine):
    """Stray replies are dropped; the true one still counts."""
    tclient.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, 16)
    frame = tclient.next_command()
    payload = frame.payload + b"true" * 4
    tclient.channel.send(proto.message(frame.id ^ 0x5555, frame.cmd, frame.payload + b"fake" * 4, proto.REPLY))
    tclient.barrier()
    assert engine.under_way == 1
    tclient.channel.send(proto.message(frame.id, frame.cmd, payload, proto.REPLY))
    engine.wait()
    assert engine.result == 0
    assert engine.buffer(16) == b"true" * 4
    # The same again: nobody waits any more.
    tclient.channel.send(proto.message(frame.id, frame.cmd, frame.payload + b"late" * 4, proto.REPLY))
    tclient.barrier()
    assert engine.buffer(16) == b"true" * 4


def test_fds_with_a_reply_are_closed(testdev, tclient, engine, eventfds):
    before = testdev.fds()
    tclient.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, 16)
    frame = tclient.next_command()
    tclient.channel.send(proto.message(frame.id, frame.cmd, frame.payload + bytes(16), proto.REPLY), eventfds(5))
    engine.wait()
    assert testdev.fds() == before


def test_cancelled_copy(tclient, engine):
    tclient.dma_map(0, MIB)
    engine.fill(b"\xaa" * 16)
    engine.start(READ_ASYNC, 0, 16)
    frame = tclient.next_command()
    engine.start(CANCEL, 0, 0)
    assert (engine.under_way, engine.result) == (0, errno.ECANCELED)
    tclient.answer(frame, frame.payload + bytes(16))
    assert engine.buffer(16) == b"\xaa" * 16
    Guest(tclient, 0, MIB)
    assert engine.run(READ_ASYNC, 0, 16) == 0, "the next copy is not confused by the late answer"


def test_reset_in_the_middle_of_a_copy(tclient, engine):
    tclient.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, BUFFER)
    frame = tclient.next_command()
    tclient.reset()
    tclient.answer(frame, frame.payload + bytes(MESSAGE_MAX))
    tclient.barrier()
    assert engine.under_way == 0
    Guest(tclient, 0, MIB)
    assert engine.run(READ_ASYNC, 0, 16) == 0


def test_unmap_in_the_middle_of_a_copy(tclient, engine):
    """The question is out, the client takes the memory back before it answers."""
    tclient.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, BUFFER)
    frame = tclient.next_command()
    msg_id = tclient.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB))
    tclient.answer(frame, frame.payload + bytes(MESSAGE_MAX))
    tclient.wait(msg_id, Cmd.DMA_UNMAP)
    tclient.barrier()
    assert not tclient.commands, "nothing is asked of memory that is gone"
    engine.wait()
    assert engine.result == errno.EFAULT


@pytest.mark.parametrize("sockets", ["one", "twin"])
def test_client_that_leaves_with_a_question_open(testdev, sockets):
    for _ in range(3):
        with Client(testdev.path) as client:
            client.version(0, 1, caps={"twin_socket": {"supported": sockets == "twin"}, "max_data_xfer_size": 1 << 20})
            client.dma_map(0, MIB)
            engine = Engine(client)
            for _ in range(3):
                engine.start(READ_ASYNC, 0, BUFFER)
            client.next_command()
        testdev.wait_idle()


def test_too_many_copies(tclient, engine):
    """A driver that a guest makes ask for more and more is told to wait."""
    tclient.dma_map(0, MIB)
    for _ in range(1024):
        tclient.region_post(proto.BAR0, REGS, struct.pack("<QII", 0, 16, READ_ASYNC))
    assert engine.under_way == 1024
    engine.start(READ_ASYNC, 0, 16)
    assert (engine.under_way, engine.result) == (1024, errno.EBUSY)


# -- twin socket ------------------------------------------------------------------------------

def test_questions_come_by_the_twin_socket_only(twin):
    engine = Engine(twin)
    twin.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, 16)
    twin.barrier()
    assert not twin.commands
    frame = twin.next_command()
    assert frame.cmd == Cmd.DMA_READ
    twin.answer(frame, frame.payload + b"by the twin sock")
    engine.wait()
    assert engine.buffer(16) == b"by the twin sock"


def test_twin_socket_that_is_closed(twin):
    """The client can't be asked any more: copies fail, everything else works."""
    engine = Engine(twin)
    twin.dma_map(0, MIB)
    twin.twin.close()
    twin.twin = None
    assert engine.run(READ_ASYNC, 0, 16) != 0
    twin.barrier()


def test_twin_socket_closed_with_a_question_open(twin):
    engine = Engine(twin)
    twin.dma_map(0, MIB)
    engine.start(READ_ASYNC, 0, 16)
    twin.next_command()
    twin.twin.close()
    twin.twin = None
    engine.wait()
    assert engine.result != 0


@pytest.mark.parametrize("data", [
    proto.header(1, Cmd.DMA_READ, 3, proto.REPLY),
    proto.header(1, Cmd.DMA_READ, 0xFFFFFFFF, proto.REPLY),
    proto.message(1, Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4)),
    proto.message(1, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON),
    proto.message(1, 99, bytes(100)),
    proto.message(1, Cmd.DMA_READ, bytes(100), proto.REPLY),
], ids=["short", "huge", "a-command", "version", "unknown", "unasked"])
def test_rubbish_on_the_twin_socket(testdev, twin, data):
    """The worst that may happen is that the twin socket is closed."""
    twin.twin.send(data)
    try:
        frame = twin.twin.recv(0.1)
        assert frame.is_error
    except (Timeout, Closed, ProtocolError):
        pass
    twin.barrier()
    testdev.check_alive()


def test_fds_on_the_twin_socket_are_closed(testdev, twin, eventfds):
    before = sum(testdev.fds().values())
    try:
        for _ in range(5):
            twin.twin.send(proto.message(1, Cmd.DMA_READ, bytes(16), proto.REPLY), eventfds(50))
            twin.twin.wait_taken()
    except Closed:
        pass
    twin.barrier()
    assert sum(testdev.fds().values()) <= before


def test_twin_socket_never_read(twin):
    """Questions pile up to their limit; the main socket is served as before."""
    twin.dma_map(0, MIB)
    for _ in range(200):
        twin.region_post(proto.BAR0, REGS, struct.pack("<QII", 0, 16, WRITE_ASYNC))
    for _ in range(10):
        twin.barrier()
    assert Engine(twin).under_way == 200


# -- no questions where none are due -------------------------------------------------------------

def test_rust_vmm_is_asked_nothing_it_did_not_offer(testdev):
    """It can't answer: a question would be read as the next reply. Memory without a file is out of reach then."""
    with RustVmmClient(testdev.path) as rust:
        rust.negotiate()
        rust._send(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB))
        rust.read_exact(16)
        rust.region_write(proto.BAR0, REGS, struct.pack("<QII", 0, 16, READ_ASYNC))
        assert rust.in_step()
        assert rust.in_step()


def test_error_reply_to_a_command_is_not_taken_for_a_question(tclient):
    with pytest.raises(WireError):
        tclient.call(Cmd.DMA_READ, proto.DMA_ACCESS.pack(0, 16))
    assert not tclient.commands
