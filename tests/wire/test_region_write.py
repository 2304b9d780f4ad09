# SPDX-License-Identifier: MIT
"""VFIO_USER_REGION_WRITE, acknowledged and posted."""
import errno
import os

import pytest

from vuser import proto
from vuser.channel import Closed
from vuser.client import Client, WireError
from vuser.proto import Cmd

VRAM = 16 << 20
XRES = 0x502
SCRATCH = 0x08
TOP = 1 << 64


def request(offset, region, data, count=None):
    return proto.REGION_ACCESS.pack(offset, region, len(data) if count is None else count) + data


def test_register(client):
    client.write(proto.BAR2, XRES, 2, 800)
    assert client.read(proto.BAR2, XRES, 2) == 800


def test_posted_write_is_processed_before_the_next_reply(client):
    for value in (640, 800, 1024):
        client.region_post(proto.BAR2, XRES, value.to_bytes(2, "little"))
        assert client.read(proto.BAR2, XRES, 2) == value


def test_posted_error_is_silent(client):
    client.region_post(99, 0, b"data")
    client.region_post(proto.BAR2, 4096, b"data")
    client.post(Cmd.REGION_WRITE, b"")
    client.barrier()


def test_many_posted_writes(tclient):
    batch = b"".join(proto.message(n & 0xFFFF, Cmd.REGION_WRITE, request(SCRATCH, proto.BAR0, n.to_bytes(4, "little")),
                                   proto.NO_REPLY) for n in range(1, 3001))
    tclient.channel.send(batch)
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 3000


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 16, 255, 4096])
@pytest.mark.parametrize("offset", [0, 1, 3, 0x500, 0x501, 0x604, 0xFF8, 0xFFF])
def test_any_size_and_offset_of_trapped_registers(client, refused, offset, count):
    data = b"\0" * count
    if offset + count <= 4096:
        client.region_write(proto.BAR2, offset, data)
    else:
        refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(offset, proto.BAR2, data))
    client.reset()


def test_a_write_across_the_end_changes_nothing(client, refused, keep):
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    os.pwrite(fd, b"12345678", info.offset + VRAM - 8)
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(VRAM - 4, proto.BAR0, b"abcdefgh"))
    assert os.pread(fd, 8, info.offset + VRAM - 8) == b"12345678"
    os.pwrite(fd, bytes(8), info.offset + VRAM - 8)


@pytest.mark.parametrize("region", [9, 10, 0x80000000, 0xFFFFFFFF])
def test_region_out_of_range(client, refused, region):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(0, region, b"data"))


@pytest.mark.parametrize("region", [1, 3, 4, 5, proto.ROM, proto.VGA])
def test_absent_region(client, refused, region):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(0, region, b"data"))


@pytest.mark.parametrize("offset, count", [
    (VRAM, 1), (VRAM - 1, 2), (1 << 32, 4), (1 << 63, 4), (TOP - 1, 1), (TOP - 1, 2), (TOP - 4, 8),
], ids=hex)
def test_offset_out_of_range(client, refused, offset, count):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(offset, proto.BAR0, b"d" * count))


@pytest.mark.parametrize("said", [0, 1, 3, 5, 8, 0xFFFFFFFF, 0x80000000], ids=hex)
def test_count_is_not_the_data_s(client, refused, said):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(XRES, proto.BAR2, b"data", said))


def test_of_nothing(client, refused):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(0, proto.BAR0, b""))


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(0, proto.BAR0, b"")[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE, request(XRES, proto.BAR2, b"\0\0"), eventfds(1))


@pytest.mark.parametrize("count", [1, 4096, 65536, 65537, (1 << 20) - 1, 1 << 20])
def test_bulk_up_to_the_limit_is_exact(client, keep, count):
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    data = (bytes(range(1, 252)) * (count // 251 + 1))[:count]
    client.region_write(proto.BAR0, 0x1000, data)
    assert os.pread(fd, count + 2, info.offset + 0xFFF) == b"\0" + data + b"\0"
    client.region_write(proto.BAR0, 0x1000, bytes(count))


def test_more_than_the_transfer_limit(client):
    """One byte more than advertised: an error reply and the stream stays in step, or a clean end."""
    data = bytes((1 << 20) + 1)
    try:
        with pytest.raises(WireError) as caught:
            client.call(Cmd.REGION_WRITE, request(0, proto.BAR0, data))
        assert caught.value.errno == errno.EINVAL
        client.barrier()
    except Closed as e:
        assert "reset" not in str(e)


def test_limit_in_the_reply_binds_the_client(bochs, refused):
    """The server answers with the smaller of both limits, and means it."""
    with Client(bochs.path) as c:
        _, _, caps = c.version(0, 0, caps={"max_data_xfer_size": 4096})
        limit = caps["max_data_xfer_size"]
        assert limit == 4096
        c.region_write(proto.BAR0, 0, bytes(limit))
        refused(c, errno.EINVAL, Cmd.REGION_WRITE, request(0, proto.BAR0, bytes(limit + 1)))


def test_full_duplex_bulk(client):
    """Writes and reads of the largest size, interleaved in one go."""
    size = 1 << 20
    ids = []
    for n in range(4):
        ids.append((client.submit(Cmd.REGION_WRITE, request(n * size, proto.BAR0, bytes([n + 1]) * size)), Cmd.REGION_WRITE))
    for n in range(4):
        ids.append((client.submit(Cmd.REGION_READ, proto.REGION_ACCESS.pack(n * size, proto.BAR0, size)), Cmd.REGION_READ))
    frames = [client.wait(msg_id, cmd) for msg_id, cmd in ids]
    for n in range(4):
        assert frames[4 + n].payload[16:] == bytes([n + 1]) * size
    for n in range(4):
        client.region_write(proto.BAR0, n * size, bytes(size))


def test_from_one_area_into_the_next(tclient, keep):
    info, fd = tclient.region_info(proto.BAR4)
    keep(fd)
    tclient.region_write(proto.BAR4, 0xFFF8, b"mapped>||trap-1|")
    assert os.pread(fd, 8, info.offset + 0xFFF8) == b"mapped>|"
    assert tclient.region_read(proto.BAR4, 0x10000, 8) == b"|trap-1|"
    tclient.region_write(proto.BAR4, 0x1FFF8, b"|trap-2||memory|")
    assert tclient.region_read(proto.BAR4, 0x1FFF8, 16) == b"|trap-2||memory|"


def test_where_nothing_is(tclient):
    tclient.region_write(proto.BAR4, 0x80000, b"ignored")
    assert tclient.region_read(proto.BAR4, 0x80000, 7) == b"\xff" * 7


def test_all_of_every_region_with_ones(tclient):
    """Config space included: whatever that starts, the server lives and a reset repairs it."""
    for region in (proto.BAR4, proto.BAR3, proto.BAR1, proto.CONFIG):
        info, fd = tclient.region_info(region)
        if fd is not None:
            os.close(fd)
        tclient.region_write(region, 0, b"\xff" * info.size)
    tclient.region_write(proto.BAR0, 0x10, b"\xff" * (4096 - 0x10))
    tclient.reset()
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 0
    assert tclient.read(proto.CONFIG, 0, 4) == 0x7E571234
