# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_GET_REGION_INFO, its capabilities, and the files that come with it."""
import errno
import mmap
import os

import pytest

from vuser import proto
from vuser.proto import Cmd

PAGE = 4096
RW = proto.REGION_READABLE | proto.REGION_WRITEABLE


def request(index, argsz=32, flags=0, cap_offset=0, size=0, offset=0):
    return proto.REGION_INFO.pack(argsz, flags, index, cap_offset, size, offset)


def mixed_bar(client):
    """Index, info and fd of the region that has both trapped and mapped areas."""
    for index in range(6):
        info, fd = client.region_info(index)
        if info.areas:
            return index, info, fd
        if fd is not None:
            os.close(fd)
    raise AssertionError("no region with sparse areas")


def test_bochs_video_memory_is_mapped_whole(client, keep):
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    assert info.size == 16 << 20
    assert info.flags & (RW | proto.REGION_MMAP) == RW | proto.REGION_MMAP
    if info.areas is not None:
        assert info.areas == [(0, info.size)]


def test_bochs_registers_are_trapped(client):
    info, fd = client.region_info(proto.BAR2)
    assert fd is None
    assert (info.size, info.flags, info.areas) == (4096, RW, None)


def test_config_space(client):
    info, fd = client.region_info(proto.CONFIG)
    assert fd is None
    assert info.size in (256, 4096) and info.flags == RW


@pytest.mark.parametrize("index", [1, 3, 4, 5, proto.VGA])
def test_absent_regions_are_empty_not_errors(client, index):
    info, fd = client.region_info(index)
    assert fd is None
    assert (info.size, info.flags, info.argsz) == (0, 0, 32)


@pytest.mark.parametrize("index", [9, 10, 255, 0x80000000, 0xFFFFFFFF])
def test_index_out_of_range(client, refused, index):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_INFO, request(index))


@pytest.mark.parametrize("argsz", [0, 16, 31])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_INFO, request(0, argsz))


@pytest.mark.parametrize("size", [0, 8, 12, 31])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_INFO, request(0)[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_INFO, request(0), eventfds(1))


def test_small_argsz_names_the_full_one(tclient, keep):
    """The first reply fits 32 bytes and says how much there is; the file comes with the full one."""
    index, full, fd = mixed_bar(tclient)
    keep(fd)
    info, fds = tclient.region_info_raw(index)
    for extra in fds:
        os.close(extra)
    assert fds == [], "who asks again would be given it twice"
    assert info.argsz == full.argsz > 32
    # QEMU 11.1 ends where the flag is set and the offset is not that of a capability.
    assert info.flags == full.flags & ~proto.REGION_CAPS
    assert (info.size, info.index) == (full.size, index)
    assert info.areas is None


@pytest.mark.parametrize("short_by", [1, 8, 16])
def test_argsz_between_is_treated_as_too_small(tclient, keep, short_by):
    index, full, fd = mixed_bar(tclient)
    keep(fd)
    info, fds = tclient.region_info_raw(index, full.argsz - short_by)
    for extra in fds:
        os.close(extra)
    assert (info.argsz, info.areas, fds) == (full.argsz, None, [])


def test_more_room_than_needed(tclient, keep):
    index, full, fd = mixed_bar(tclient)
    keep(fd)
    for argsz in (full.argsz + 1, 4096, 0xFFFFFFFF):
        info, fds = tclient.region_info_raw(index, argsz)
        assert len(fds) == 1
        os.close(fds[0])
        assert info.argsz == full.argsz and info.areas == full.areas


def test_sparse_areas_are_whole_pages_in_order_within_the_region(tclient, keep):
    _, info, fd = mixed_bar(tclient)
    keep(fd)
    assert info.flags == RW | proto.REGION_MMAP | proto.REGION_CAPS
    end = 0
    for offset, size in info.areas:
        assert offset % PAGE == 0 and size % PAGE == 0 and size > 0
        assert offset >= end
        end = offset + size
    assert end <= info.size
    assert sum(size for _, size in info.areas) < info.size, "this BAR mixes trapped and mapped areas"


def test_each_area_maps_and_is_the_region(tclient, keep):
    """What is stored through the mapping is read by message, and the other way."""
    index, info, fd = mixed_bar(tclient)
    keep(fd)
    for n, (offset, size) in enumerate(info.areas):
        with mmap.mmap(fd, size, offset=info.offset + offset) as area:
            area[size - 8:size] = b"mapped%02d" % n
            assert tclient.region_read(index, offset + size - 8, 8) == b"mapped%02d" % n
            tclient.region_write(index, offset, b"messag%02d" % n)
            assert area[:8] == b"messag%02d" % n


def _trapped_holes(info):
    at = 0
    for offset, size in [*info.areas, (info.size, 0)]:
        if offset > at:
            yield at, offset
        at = offset + size


def test_file_contains_only_what_may_be_mapped(tclient, keep):
    """Seals do not limit mmap, so the trapped bytes must not be in the client's file at all."""
    index, info, fd = mixed_bar(tclient)
    keep(fd)
    mark = b"trapped!"
    for first, end in _trapped_holes(info):
        tclient.region_write(index, end - 8, mark)
        tclient.region_write(index, first, mark)
    size = os.fstat(fd).st_size
    content = b"".join(os.pread(fd, 1 << 20, at) for at in range(0, size, 1 << 20))
    assert mark not in content


def test_bochs_mapping_is_the_region(client, keep):
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    with mmap.mmap(fd, info.size, offset=info.offset) as vram:
        vram[:4] = b"\x11\x22\x33\x44"
        vram[-4:] = b"tail"
        assert client.read(proto.BAR0, 0, 4) == 0x44332211
        assert client.region_read(proto.BAR0, info.size - 4, 4) == b"tail"
        client.region_write(proto.BAR0, 0x1000, b"written")
        assert vram[0x1000:0x1007] == b"written"
        vram[:4] = vram[-4:] = bytes(4)


def test_client_cannot_shrink_the_server_s_memory(bochs, client, keep):
    """A client that truncates the file it was given must not make the server fault."""
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    try:
        os.ftruncate(fd, 0)
    except PermissionError:
        pass
    assert len(client.region_read(proto.BAR0, 0, 4096)) == 4096
    client.region_write(proto.BAR0, info.size - 8, b"the last")
    bochs.check_alive()


def test_asking_again_does_not_add_up(bochs, client):
    first = bochs.fds()
    for _ in range(100):
        _, fd = client.region_info(proto.BAR0)
        os.close(fd)
    client.barrier()
    assert bochs.fds() == first


def test_every_request_brings_the_same_file(client, keep):
    files = set()
    for _ in range(3):
        _, fd = client.region_info(proto.BAR0)
        keep(fd)
        files.add((os.fstat(fd).st_dev, os.fstat(fd).st_ino))
    assert len(files) == 1


def test_fd_comes_with_its_own_reply_in_a_batch(client):
    """Replies are sent in batches; the file must not be attached to the neighbour's reply."""
    read = proto.REGION_ACCESS.pack(0, proto.CONFIG, 4)
    info = request(proto.BAR0, 4096)
    batch = b""
    for n in range(0, 60, 3):
        batch += proto.message(1000 + n, Cmd.REGION_READ, read)
        batch += proto.message(1001 + n, Cmd.DEVICE_GET_REGION_INFO, info)
        batch += proto.message(1002 + n, Cmd.REGION_READ, read)
    client.channel.send(batch)
    for n in range(60):
        frame = client.channel.recv()
        for fd in frame.fds:
            os.close(fd)
        assert frame.id == 1000 + n
        assert len(frame.fds) == (1 if n % 3 == 1 else 0)
        assert not frame.is_error
