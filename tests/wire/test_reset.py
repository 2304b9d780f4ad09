# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_RESET."""
import errno
import os

from vuser import proto
from vuser.proto import Cmd

SCRATCH = 0x08


def test_registers_go_back(tclient):
    tclient.write(proto.BAR0, SCRATCH, 4, 0xDEADBEEF)
    tclient.write(proto.CONFIG, 4, 2, 0x0006)
    tclient.write(proto.CONFIG, 0x10, 4, 0xFEBF0000)
    tclient.write(proto.CONFIG, 0x3C, 1, 0x0B)
    tclient.reset()
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 0
    assert tclient.read(proto.CONFIG, 4, 2) == 0
    assert tclient.read(proto.CONFIG, 0x10, 4) & ~0xF == 0
    assert tclient.read(proto.CONFIG, 0x3C, 1) == 0


def test_what_the_client_gave_survives(tclient, memfd, eventfds, signalled):
    """A reset is the device's: the client's DMA maps and eventfds stay, as with VFIO."""
    tclient.dma_map(0, 1 << 20, memfd(1 << 20))
    event, = eventfds()
    tclient.irq_eventfds(proto.MSIX, [event])
    tclient.reset()
    tclient.irq_action(proto.ACTION_TRIGGER, proto.MSIX)
    assert signalled(event) == 1
    tclient.dma_unmap(0, 1 << 20)


def test_level_interrupt_is_lowered(tclient, eventfds, signalled):
    tclient.write(proto.BAR0, 0x0C, 4, 1)
    tclient.reset()
    event, = eventfds()
    tclient.irq_eventfds(proto.INTX, [event])
    assert signalled(event, 0.02) == 0
    assert tclient.read(proto.CONFIG, 6, 2) & 0x08 == 0


def test_reset_is_idempotent_and_quick(tclient):
    for _ in range(50):
        tclient.reset()


def test_in_the_middle_of_a_batch(tclient):
    """Commands are processed in order: what stands before the reset is undone, what follows is not."""
    write = proto.REGION_ACCESS.pack(SCRATCH, proto.BAR0, 4)
    read = proto.message(4, Cmd.REGION_READ, proto.REGION_ACCESS.pack(SCRATCH, proto.BAR0, 4))
    tclient.channel.send(
        proto.message(1, Cmd.REGION_WRITE, write + b"\1\0\0\0", proto.NO_REPLY)
        + proto.message(2, Cmd.DEVICE_RESET) + read
        + proto.message(5, Cmd.REGION_WRITE, write + b"\2\0\0\0", proto.NO_REPLY)
        + proto.message(6, Cmd.REGION_READ, proto.REGION_ACCESS.pack(SCRATCH, proto.BAR0, 4)))
    assert tclient.wait(2, Cmd.DEVICE_RESET).payload == b""
    assert tclient.wait(4, Cmd.REGION_READ).payload[16:] == bytes(4)
    assert tclient.wait(6, Cmd.REGION_READ).payload[16:] == b"\2\0\0\0"


def test_posted(tclient):
    tclient.write(proto.BAR0, SCRATCH, 4, 7)
    tclient.post(Cmd.DEVICE_RESET)
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 0


def test_payload_is_refused(tclient, refused):
    tclient.write(proto.BAR0, SCRATCH, 4, 7)
    refused(tclient, errno.EINVAL, Cmd.DEVICE_RESET, b"\0")
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 7, "a refused reset does nothing"


def test_fds_are_refused(tclient, refused, eventfds):
    refused(tclient, errno.EINVAL, Cmd.DEVICE_RESET, fds=eventfds(1))


def test_mapped_memory_stays_mapped(client, keep):
    """The file behind BAR0 is the same after a reset: the client's mapping and the server's view agree."""
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    client.reset()
    os.pwrite(fd, b"after reset", info.offset)
    assert client.region_read(proto.BAR0, 0, 11) == b"after reset"
