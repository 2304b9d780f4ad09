# SPDX-License-Identifier: MIT
"""VFIO_USER_REGION_READ."""
import errno
import os

import pytest

from vuser import proto
from vuser.client import Client, check_read_reply
from vuser.proto import Cmd

VRAM = 16 << 20
DISPI = 0x500
TOP = 1 << 64


def request(offset, region, count):
    return proto.REGION_ACCESS.pack(offset, region, count)


def test_registers_of_bochs(client):
    assert client.read(proto.BAR2, DISPI, 2) & 0xFFF0 == 0xB0C0
    assert client.read(proto.BAR2, DISPI + 0x14, 2) == VRAM >> 16


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 16, 63, 256, 4096])
@pytest.mark.parametrize("offset", [0, 1, 3, 0x500, 0x501, 0x604, 0xFF8, 0xFFF])
def test_any_size_and_offset_of_trapped_registers(client, refused, offset, count):
    """In bounds: count bytes. Across the end: an error and nothing else."""
    if offset + count <= 4096:
        assert len(client.region_read(proto.BAR2, offset, count)) == count
    else:
        refused(client, errno.EINVAL, Cmd.REGION_READ, request(offset, proto.BAR2, count))


def test_a_wide_read_is_its_parts(client):
    whole = client.region_read(proto.BAR2, 0, 0x100)
    assert whole == b"".join(client.region_read(proto.BAR2, n, 1) for n in range(0x100))


@pytest.mark.parametrize("count", [256, 4096])
def test_config_space_at_once(client, count):
    """QEMU reads all of it with one message; libvfio-user's client takes its 64 bytes of header."""
    info, _ = client.region_info(proto.CONFIG)
    if count <= info.size:
        data = client.region_read(proto.CONFIG, 0, count)
        assert data[:4] == b"\x34\x12\x11\x11"


@pytest.mark.parametrize("region", [9, 10, 0x7FFFFFFF, 0x80000000, 0xDEADBEEF, 0xFFFFFFFF])
def test_region_out_of_range(client, refused, region):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, region, 4))


@pytest.mark.parametrize("region", [1, 3, 4, 5, proto.VGA])
@pytest.mark.parametrize("count", [0, 1, 4, 4096])
def test_absent_region(client, refused, region, count):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, region, count))


@pytest.mark.parametrize("offset, count", [
    (VRAM, 1), (VRAM - 1, 2), (VRAM - 4, 8), (VRAM + 4096, 4),
    (1 << 31, 4), (1 << 32, 4), (1 << 63, 4), (TOP - 1, 1), (TOP - 1, 2), (TOP - 4, 4), (TOP - 4, 8), (TOP - (1 << 20), 1 << 20),
], ids=hex)
def test_offset_out_of_range(client, refused, offset, count):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(offset, proto.BAR0, count))


@pytest.mark.parametrize("count", [1 << 20 | 1, 1 << 21, 16 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF], ids=hex)
def test_more_than_the_transfer_limit(client, refused, count):
    assert client.caps.get("max_data_xfer_size", 1 << 20) == 1 << 20
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.BAR0, count))


def test_limit_of_the_client_binds_the_server(bochs, refused):
    """The client said what it can take: a reply may not carry more, so the request is in error."""
    with Client(bochs.path) as c:
        c.version(0, 0, caps={"max_data_xfer_size": 4096})
        assert len(c.region_read(proto.BAR0, 0, 4096)) == 4096
        refused(c, errno.EINVAL, Cmd.REGION_READ, request(0, proto.BAR0, 4097))


def test_of_nothing(client, refused):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.BAR0, 0))


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.CONFIG, 4)[:size])


def test_request_with_data(client, refused):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.CONFIG, 4) + b"data")


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.CONFIG, 4), eventfds(1))


@pytest.mark.parametrize("count", [1, 4096, 65536, 65537, (1 << 20) - 1, 1 << 20])
def test_bulk_up_to_the_limit_is_exact(client, keep, count):
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    pattern = bytes(range(1, 252)) * (count // 251 + 1)
    os.pwrite(fd, pattern[:count], info.offset)
    assert client.region_read(proto.BAR0, 0, count) == pattern[:count]
    os.pwrite(fd, bytes(count), info.offset)


def test_pipelined_reads_come_back_in_order(client):
    count = 1000
    client.channel.send(b"".join(
        proto.message(n, Cmd.REGION_READ, request(n % 64 * 4, proto.CONFIG, 4)) for n in range(count)))
    for n in range(count):
        frame = client.channel.recv()
        assert (frame.id, frame.cmd, frame.flags) == (n, Cmd.REGION_READ, proto.REPLY)
        check_read_reply(frame.payload, proto.CONFIG, n % 64 * 4, 4)


def test_errors_in_a_batch_keep_their_place(client):
    requests = [(0, proto.CONFIG, 4), (0, 99, 4), (0, proto.CONFIG, 2), (TOP - 1, proto.BAR0, 8), (4, proto.CONFIG, 4)]
    client.channel.send(b"".join(proto.message(n, Cmd.REGION_READ, request(*r)) for n, r in enumerate(requests)))
    seen = [client.channel.recv() for _ in requests]
    assert [f.id for f in seen] == [0, 1, 2, 3, 4]
    assert [f.is_error for f in seen] == [False, True, False, True, False]
    assert [f.error for f in seen] == [0, errno.EINVAL, 0, errno.EINVAL, 0]


def test_posted_read_is_silent(client):
    """Nobody waits for it; the server may skip it, but must not answer."""
    client.post(Cmd.REGION_READ, request(0, proto.CONFIG, 4))
    client.barrier()


def test_rom_of_a_device_without_one(client, refused):
    info, _ = client.region_info(proto.ROM)
    assert info.size == 0
    refused(client, errno.EINVAL, Cmd.REGION_READ, request(0, proto.ROM, 4))


# -- the test device's regions, made of all kinds of areas -------------------------------

def test_every_offset_of_every_region_by_every_size(tclient):
    """Whatever lies there: as many bytes as were asked for, and the server lives."""
    for region in (*range(6), proto.ROM, proto.CONFIG):
        info, fd = tclient.region_info(region)
        if fd is not None:
            os.close(fd)
        step = 3 if info.size <= 4096 else 4093
        for size in (1, 2, 3, 4, 6, 8, 17):
            offsets = range(0, info.size - size, step)
            tclient.channel.send(b"".join(
                proto.message(n & 0xFFFF, Cmd.REGION_READ, request(offset, region, size)) for n, offset in enumerate(offsets)))
            for offset in offsets:
                frame = tclient.channel.recv()
                assert not frame.is_error
                check_read_reply(frame.payload, region, offset, size)


def test_where_nothing_is(tclient):
    """Holes of a BAR read as ones."""
    assert tclient.region_read(proto.BAR4, 0x80000, 64) == b"\xff" * 64
    assert tclient.region_read(proto.BAR3, 0x10, 16) == b"\xff" * 16
    assert tclient.region_read(proto.BAR0, 0xFF0, 16) == b"\xff" * 16


def test_from_one_area_into_the_next(tclient, keep):
    """Mapped memory, trapped cells, plain memory, mapped again, a hole: one read crosses each border."""
    info, fd = tclient.region_info(proto.BAR4)
    keep(fd)
    os.pwrite(fd, b"mapped>|", info.offset + 0xFFF8)
    tclient.region_write(proto.BAR4, 0x10000, b"|trap-1|")
    tclient.region_write(proto.BAR4, 0x1FFF8, b"|trap-2|")
    tclient.region_write(proto.BAR4, 0x20000, b"|memory|")
    assert tclient.region_read(proto.BAR4, 0xFFF8, 16) == b"mapped>||trap-1|"
    assert tclient.region_read(proto.BAR4, 0x1FFF8, 16) == b"|trap-2||memory|"
    os.pwrite(fd, b"the end|", info.offset + 0x7FFF8)
    assert tclient.region_read(proto.BAR4, 0x7FFF8, 12) == b"the end|" + b"\xff" * 4
    whole = tclient.region_read(proto.BAR4, 0, 1 << 20)
    assert whole[0xFFF8:0x10008] == b"mapped>||trap-1|" and whole[0x1FFF8:0x20008] == b"|trap-2||memory|"
    assert whole[0x80000:] == b"\xff" * 0x80000
