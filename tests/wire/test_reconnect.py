# SPDX-License-Identifier: MIT
"""A client after another gets a fresh device and fresh memory; nothing of the last one is left."""
import mmap
import os
import signal

import pytest
from waiting import eventually

from vuser import proto
from vuser.client import Client
from vuser.profiles import QEMU_JSON, QemuClient
from vuser.proto import Cmd

MIB = 1 << 20


def connect(server):
    client = QemuClient(server.path)
    client.negotiate()
    return client


def test_video_memory_is_zeroed_and_in_a_new_file(bochs):
    with connect(bochs) as first:
        info, fd = first.region_info(proto.BAR0)
        old = mmap.mmap(fd, info.size, offset=info.offset)
        ident = os.fstat(fd).st_ino
        old[:6] = b"secret"
        old[-6:] = b"secret"
        first.region_write(proto.BAR0, MIB, b"by message")
    bochs.wait_idle()
    with connect(bochs) as second:
        info, new_fd = second.region_info(proto.BAR0)
        assert os.fstat(new_fd).st_ino != ident
        for at in range(0, info.size, MIB):
            assert second.region_read(proto.BAR0, at, MIB) == bytes(MIB)
        # The old client keeps its mapping: it must be of no use to it.
        old[:4] = b"evil"
        assert second.region_read(proto.BAR0, 0, 4) == bytes(4)
        second.region_write(proto.BAR0, 0, b"mine")
        assert old[:4] == b"evil"
        os.close(new_fd)
    old.close()
    os.close(fd)


def test_file_that_the_last_client_kept_is_not_the_new_one_s(bochs):
    with connect(bochs) as first:
        info, kept = first.region_info(proto.BAR0)
    bochs.wait_idle()
    with connect(bochs) as second:
        os.pwrite(kept, b"x" * 4096, info.offset)
        assert second.region_read(proto.BAR0, 0, 4096) == bytes(4096)
    os.close(kept)


def test_registers_and_config_space_are_fresh(bochs):
    with connect(bochs) as first:
        config = first.region_read(proto.CONFIG, 0, 256)
        registers = first.region_read(proto.BAR2, 0x500, 0x20)
        first.write(proto.CONFIG, 4, 2, 7)
        first.write(proto.CONFIG, 0x10, 4, 0xE0000000)
        first.write(proto.CONFIG, 0x3C, 1, 11)
        for register, value in ((1, 800), (2, 600), (3, 32), (4, 0x41)):
            first.write(proto.BAR2, 0x500 + 2 * register, 2, value)
        assert first.region_read(proto.BAR2, 0x500, 0x20) != registers
    bochs.wait_idle()
    with connect(bochs) as second:
        assert second.region_read(proto.CONFIG, 0, 256) == config
        assert second.region_read(proto.BAR2, 0x500, 0x20) == registers


def test_dma_maps_are_gone(bochs, memfd):
    with connect(bochs) as first:
        first.dma_map(0, MIB, memfd(MIB))
    bochs.wait_idle()
    assert "wire-guest-ram" not in bochs.maps()
    with connect(bochs) as second:
        second.dma_map(0, MIB, memfd(MIB))


def test_eventfds_are_gone(testdev, eventfds, signalled):
    old, new = eventfds(2)
    with connect(testdev) as first:
        first.irq_eventfds(proto.MSIX, [old])
        first.irq_eventfds(proto.INTX, [old])
        first.irq_eventfds(proto.INTX, [eventfds(1)[0]], action=proto.ACTION_UNMASK)
    testdev.wait_idle()
    with connect(testdev) as second:
        second.irq_action(proto.ACTION_TRIGGER, proto.MSIX)
        second.irq_action(proto.ACTION_TRIGGER, proto.INTX)
        second.irq_eventfds(proto.INTX, [new])
        assert signalled(old, 0.02) == 0
        second.irq_action(proto.ACTION_TRIGGER, proto.INTX)
        assert signalled(new) == 1


def test_interrupt_level_does_not_outlive_its_client(testdev, eventfds, signalled):
    with connect(testdev) as first:
        first.write(proto.CONFIG, 4, 2, 6)
        first.write(proto.BAR0, 0x0C, 4, 1)
    testdev.wait_idle()
    with connect(testdev) as second:
        event, = eventfds()
        second.irq_eventfds(proto.INTX, [event])
        second.write(proto.CONFIG, 4, 2, 6)
        assert signalled(event, 0.02) == 0


def test_scratch_register_is_fresh(testdev):
    with connect(testdev) as first:
        first.write(proto.BAR0, 0x08, 4, 0x12345678)
    testdev.wait_idle()
    with connect(testdev) as second:
        assert second.read(proto.BAR0, 0x08, 4) == 0


def test_limits_are_negotiated_anew(bochs):
    with Client(bochs.path) as first:
        first.version(0, 1, caps={"max_data_xfer_size": 1024, "twin_socket": {"supported": True}})
    bochs.wait_idle()
    with connect(bochs) as second:
        assert second.twin is None and second.minor == 0
        assert len(second.region_read(proto.BAR0, 0, MIB)) == MIB


def test_at_once(bochs):
    """QEMU killed and started again: the next client comes before the server has seen the last one's end.

    Its end is in the socket already when the new connection is, so a refusal would be wrong.
    """
    for _ in range(100):
        with connect(bochs) as client:
            client.barrier()


def test_end_that_is_there_but_not_yet_read(bochs):
    """A busy server finds the new client first and the last one's end behind it: the first is gone all the same."""
    for _ in range(10):
        with connect(bochs) as first:
            eventually(bochs.asleep)  # no longer polling the first: both events will be found at once
            os.kill(bochs.pid, signal.SIGSTOP)
            try:
                second = QemuClient(bochs.path)
                msg_id = second.submit(Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON)
                first.channel.close()
            finally:
                os.kill(bochs.pid, signal.SIGCONT)
            with second:
                assert not second.wait(msg_id, Cmd.VERSION).is_error
                second.barrier()
        bochs.wait_idle()


@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread-replies"])
def test_at_once_in_the_middle_of_work(bochs, memfd, unread):
    for _ in range(20):
        with connect(bochs) as client:
            client.dma_map(0, MIB, memfd(MIB))
            for n in range(50):
                client.submit(9, proto.REGION_ACCESS.pack(0, proto.BAR0, 65536 if unread else 4))
            if not unread:
                client.barrier()


def test_a_hundred_clients_leave_nothing(fresh_server, memfd, eventfds):
    server = fresh_server("testdev")
    ram, event = memfd(MIB), eventfds()[0]

    def visit():
        with connect(server) as client:
            client.dma_map(0, MIB, ram)
            client.irq_eventfds(proto.MSIX, [event] * 8)
            client.write(proto.BAR0, 0x08, 4, 1)
            client.reset()
        server.wait_idle()

    for _ in range(10):
        visit()
    maps = len(server.maps().splitlines())
    for _ in range(100):
        visit()
    assert len(server.maps().splitlines()) <= maps + 2


def test_memory_that_is_not_mapped_is_fresh_too(testdev):
    """The test device's BAR4 has plain memory and trapped cells besides what can be mapped."""
    with connect(testdev) as first:
        for at in (0, 0x10000, 0x20000, 0x40000):
            first.region_write(proto.BAR4, at, b"of the first")
    testdev.wait_idle()
    with connect(testdev) as second:
        assert second.region_read(proto.BAR4, 0, 0x80000) == bytes(0x80000)
