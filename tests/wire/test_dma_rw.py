# SPDX-License-Identifier: MIT
"""VFIO_USER_DMA_READ and _WRITE: the server asks for memory that came without a file."""
import errno
import os
import struct

import pytest

from vuser import proto
from vuser.client import Client, WireError
from vuser.profiles import LvuSampleClient, RustVmmClient
from vuser.proto import Cmd
from vuser.testdev import (BUFFER, CANCEL, Engine, Guest, MESSAGE_MAX, MIB, PAGE, READ, READ_ASYNC, REGS, WRITE_ASYNC)


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


def test_qemu_gets_its_mmio_answer_before_a_question(tclient, engine):
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


def test_qemu_dma_write_reply_has_8_bytes_of_count(tclient, engine):
    """The specification's table gives it 4."""
    tclient.dma_map(0, MIB)
    for size in (16, 12):
        tclient.on_command = lambda frame, size=size: frame.payload[:size]
        assert engine.run(WRITE_ASYNC, 0, 16) == 0, size


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
