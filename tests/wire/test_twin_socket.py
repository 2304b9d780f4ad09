# SPDX-License-Identifier: MIT
"""The twin socket: where a client has one, what the server asks goes there and nowhere else."""
import struct

import pytest

from vuser import proto
from vuser.channel import Closed, Timeout
from vuser.profiles import QEMU_JSON
from vuser.proto import Cmd, ProtocolError
from vuser.testdev import Engine, MIB, READ_ASYNC, REGS, WRITE_ASYNC


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
