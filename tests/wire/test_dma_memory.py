# SPDX-License-Identifier: MIT
"""DMA to memory whose file the client has passed: used without a message, and given back when the client wants it.

The test device's engine copies between IOVAs and the plain memory of its BAR4.
"""
import errno
import os
import select

import pytest
from waiting import eventually

from vuser import proto
from vuser.profiles import QemuClient
from vuser.proto import Cmd
from vuser.testdev import Engine, GET, MIB, PAGE, PIN, PUT, READ, READ_ASYNC, READ_PINNED, WRITE, WRITE_ASYNC


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


def test_pinned_memory_is_reached_by_device_addresses_until_the_unmap(tclient, engine, memfd):
    ram = memfd(MIB)
    os.pwrite(ram, b"by the device", 3 * PAGE)
    tclient.dma_map(0, MIB, ram)
    assert engine.run(PIN, 3 * PAGE, 2 * PAGE) == 0 and engine.pinned == 2
    assert engine.run(READ_PINNED, 0, 13) == 0
    assert engine.buffer(13) == b"by the device"
    tclient.dma_unmap(0, MIB)
    assert (engine.pinned, engine.unmaps) == (0, 1)
    assert engine.run(READ_PINNED, 0, 13) == errno.ENXIO
    # All or nothing: the second page is not there.
    tclient.dma_map(0, PAGE, ram)
    assert engine.run(PIN, 0, 2 * PAGE) == errno.EFAULT and engine.pinned == 0
    tclient.dma_unmap(0, PAGE)
    assert engine.unmaps == 1
    # Without a file there is nothing that could be pinned.
    tclient.dma_map(0, PAGE)
    assert engine.run(PIN, 0, PAGE) == errno.EOPNOTSUPP


def test_reset_unpins(tclient, engine, memfd):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(PIN, 0, PAGE) == 0
    tclient.reset()
    assert engine.pinned == 0
    tclient.dma_unmap(0, MIB)
    assert engine.unmaps == 0


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


def test_held_answer_waits_for_room(testdev, tclient, engine, memfd):
    """The client reads nothing when its memory is free at last: the answer is not lost, and comes once."""
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    engine.keep(1)
    resets = testdev.log_path.read_text(errors="replace").count("its context is reset")
    held = tclient.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB))
    # Reads of a byte, until not even an answer as small as theirs has room.
    read, asked = proto.message(0xFFFF, Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 1)), 0
    while True:
        try:
            asked += tclient.channel.sock.send(read * 256)
        except BlockingIOError:
            if not select.select([], [tclient.channel.sock], [], 0.05)[1]:
                break
    # The driver's time is up: its context is reset, and the unmap done.
    eventually(lambda: testdev.log_path.read_text(errors="replace").count("its context is reset") > resets)
    answers = []
    while len(answers) <= asked // len(read):
        answers.append(tclient.channel.recv())
    assert [a.id for a in answers].count(held) == 1
    assert not any(a.is_error for a in answers)
    rest = asked % len(read)
    if rest:
        tclient.channel.send(read[rest:])
        assert tclient.channel.recv().id == 0xFFFF
    assert engine.held == 0


def test_same_range_can_be_mapped_again_only_after_the_answer(tclient, engine, refused, memfd):
    tclient.dma_map(0, MIB, memfd(MIB))
    assert engine.run(GET, 0, PAGE) == 0
    engine.keep(1)
    held = tclient.submit(Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB))
    refused(tclient, {errno.EEXIST, errno.EBUSY}, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB))
    engine.start(PUT, 0, 0)
    tclient.wait(held, Cmd.DMA_UNMAP)
    tclient.dma_map(0, MIB)


def test_qemu_s_patience_is_not_used_up(tclient, engine, memfd):
    """A driver never lets go: its context is reset, and the client is answered in time."""
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
