# SPDX-License-Identifier: MIT
"""VFIO_USER_REGION_WRITE_MULTI."""
import errno

import pytest

from vuser import proto
from vuser.client import Client, WireError, write_multi_payload
from vuser.proto import Cmd

SCRATCH, VECTOR, COUNT = 0x08, 0x00, 0x04


def scratch(value):
    return proto.BAR0, SCRATCH, value.to_bytes(4, "little")


def test_writes_happen_in_order(tclient):
    assert tclient.write_multi([scratch(1), scratch(2), scratch(3)]) == 3
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 3


def test_qemu_bundles_200_writes(tclient):
    before = tclient.read(proto.BAR0, COUNT, 4)
    assert tclient.write_multi([(proto.BAR0, VECTOR, bytes(4))] * 200) == 200
    assert tclient.read(proto.BAR0, COUNT, 4) == before + 200


def test_posted(tclient):
    tclient.post_multi([scratch(4), scratch(5)])
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 5


@pytest.mark.parametrize("size", range(1, 9))
def test_every_size(tclient, size):
    tclient.write_multi([(proto.CONFIG, 0x3C, b"\x0a"), (proto.BAR0, SCRATCH, b"\xff" * size)])
    assert tclient.read(proto.CONFIG, 0x3C, 1) == 0x0A


def test_several_regions(client):
    """VRAM, a register and config space by one message."""
    assert client.write_multi([
        (proto.BAR0, 0x100, b"vram"),
        (proto.BAR2, 0x502, b"\x20\x03"),
        (proto.CONFIG, 0x3C, b"\x0b"),
    ]) == 3
    assert client.region_read(proto.BAR0, 0x100, 4) == b"vram"
    assert client.read(proto.BAR2, 0x502, 2) == 800
    assert client.read(proto.CONFIG, 0x3C, 1) == 11


def test_bytes_beyond_the_count_are_not_written(client):
    entry = proto.WRITE_MULTI_ENTRY.pack(0x200, proto.BAR0, 2, b"abcdefgh")
    client.call(Cmd.REGION_WRITE_MULTI, proto.WRITE_MULTI.pack(1) + entry)
    assert client.region_read(proto.BAR0, 0x200, 8) == b"ab" + bytes(6)


def test_none_at_all(client):
    assert client.write_multi([]) == 0


@pytest.mark.parametrize("said", [0, 1, 3, 4, 1 << 32, 1 << 61, 0xAAAAAAAAAAAAAAB, (1 << 64) - 1], ids=hex)
def test_count_is_not_the_entries_number(tclient, refused, said):
    """Also counts whose product with 24 overflows into the right size."""
    tclient.write(proto.BAR0, SCRATCH, 4, 9)
    refused(tclient, errno.EINVAL, Cmd.REGION_WRITE_MULTI, write_multi_payload([scratch(1), scratch(2)], said))
    assert tclient.read(proto.BAR0, SCRATCH, 4) == 9, "nothing of a malformed message is applied"


def test_count_whose_size_overflows_to_the_real_one(tclient, refused):
    # 24 * (2 + 2^61) = 48 modulo 2^64
    refused(tclient, errno.EINVAL, Cmd.REGION_WRITE_MULTI, write_multi_payload([scratch(1), scratch(2)], 2 + (1 << 61)))


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 23, 24])
def test_last_entry_cut_short(tclient, refused, cut):
    refused(tclient, errno.EINVAL, Cmd.REGION_WRITE_MULTI, write_multi_payload([scratch(1), scratch(2)])[:-cut])


@pytest.mark.parametrize("size", [0, 1, 4, 7])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.REGION_WRITE_MULTI, bytes(size))


def bad_entries():
    return {
        "count-0": proto.WRITE_MULTI_ENTRY.pack(SCRATCH, proto.BAR0, 0, b""),
        "count-9": proto.WRITE_MULTI_ENTRY.pack(SCRATCH, proto.BAR0, 9, b""),
        "count-max": proto.WRITE_MULTI_ENTRY.pack(SCRATCH, proto.BAR0, 0xFFFFFFFF, b""),
        "region": proto.WRITE_MULTI_ENTRY.pack(0, 99, 4, b""),
        "absent-region": proto.WRITE_MULTI_ENTRY.pack(0, proto.VGA, 4, b""),
        "past-the-end": proto.WRITE_MULTI_ENTRY.pack(4096, proto.BAR0, 4, b""),
        "across-the-end": proto.WRITE_MULTI_ENTRY.pack(4094, proto.BAR0, 4, b""),
        "wrapping": proto.WRITE_MULTI_ENTRY.pack((1 << 64) - 2, proto.BAR0, 4, b""),
    }


@pytest.mark.parametrize("kind", list(bad_entries()))
def test_one_bad_entry(tclient, kind):
    """wr_cnt counts the writes completed, so an error reply would hide the first; either way the stream lives."""
    tclient.write(proto.BAR0, SCRATCH, 4, 0)
    good = [proto.WRITE_MULTI_ENTRY.pack(SCRATCH, proto.BAR0, 4, bytes([n, 0, 0, 0])) for n in (1, 2)]
    payload = proto.WRITE_MULTI.pack(3) + good[0] + bad_entries()[kind] + good[1]
    try:
        frame = tclient.call(Cmd.REGION_WRITE_MULTI, payload)
        assert proto.WRITE_MULTI.unpack(frame.payload)[0] == 1
        assert tclient.read(proto.BAR0, SCRATCH, 4) == 1
    except WireError as e:
        assert e.errno == errno.EINVAL
        # All or nothing, or up to the bad one: never past it.
        assert tclient.read(proto.BAR0, SCRATCH, 4) in (0, 1)


def test_fds_are_refused(tclient, refused, eventfds):
    refused(tclient, errno.EINVAL, Cmd.REGION_WRITE_MULTI, write_multi_payload([scratch(1)]), eventfds(1))


def test_as_large_as_a_message_may_be(client):
    """More entries than QEMU's 200, still below the transfer limit."""
    count = 20_000
    assert client.write_multi([(proto.BAR0, 8 * n, n.to_bytes(8, "little")) for n in range(count)]) == count
    assert client.read(proto.BAR0, 8 * (count - 1), 8) == count - 1
    client.region_write(proto.BAR0, 0, bytes(8 * count))


def test_works_for_who_did_not_ask_for_it(bochs):
    """write_multiple tells the peer that it may use the command; who uses it unasked knows what it does."""
    with Client(bochs.path) as c:
        c.version(0, 0, caps={})
        try:
            c.write_multi([(proto.CONFIG, 0x3C, b"\x01")])
        except WireError as e:
            assert e.errno in (errno.EINVAL, errno.ENOTSUP)
        c.barrier()
