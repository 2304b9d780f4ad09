# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_FEATURE: DMA logging is offered, migration is not, and nonsense is told apart from both."""
import errno
import os
import struct

import pytest

from vuser import proto
from vuser.profiles import QemuClient
from vuser.proto import Cmd
from vuser.testdev import Engine, READ, WRITE

ENOTSUP = 95
GET, SET, PROBE = proto.FEATURE_GET, proto.FEATURE_SET, proto.FEATURE_PROBE
START, STOP, REPORT = (proto.FEATURE_DMA_LOGGING_START, proto.FEATURE_DMA_LOGGING_STOP,
                       proto.FEATURE_DMA_LOGGING_REPORT)
MISSING = [proto.FEATURE_MIGRATION, proto.FEATURE_MIG_DEVICE_STATE, 0, 3, 9, 0xFFFF]
OFFERED = {START: SET, STOP: SET, REPORT: GET}
PAGE = 4096


def request(flags, data=b"", argsz=None):
    return proto.FEATURE.pack(8 + len(data) if argsz is None else argsz, flags) + data


def start(client, ranges, page_size=PAGE):
    """Start logging; returns the page size that was chosen."""
    data = struct.pack("<QII", page_size, len(ranges), 0) + b"".join(struct.pack("<QQ", *r) for r in ranges)
    _, _, reply = client.feature(SET | START, data)
    assert reply[8:] == data[8:]
    return struct.unpack_from("<Q", reply)[0]


def report(client, iova, length, page_size=PAGE):
    """The set of dirty pages, as numbers from iova on."""
    words = (length // page_size + 63) // 64
    argsz, _, reply = client.feature(GET | REPORT, struct.pack("<QQQ", iova, length, page_size), 8 + 24 + 8 * words)
    assert argsz == 8 + 24 + 8 * words
    assert struct.unpack_from("<QQQ", reply) == (iova, length, page_size)
    bits = int.from_bytes(reply[24:], "little")
    return {i for i in range(64 * words) if bits >> i & 1}


@pytest.mark.parametrize("feature", MISSING)
@pytest.mark.parametrize("method", [GET, SET, GET | SET, 0], ids=["get", "set", "both", "any"])
def test_probe_says_unsupported(client, refused, feature, method):
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(PROBE | method | feature))


@pytest.mark.parametrize("feature", MISSING)
@pytest.mark.parametrize("method", [GET, SET], ids=["get", "set"])
def test_use_says_unsupported(client, refused, feature, method):
    data = struct.pack("<QQQ", 0, 0, 0)
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(method | feature, data, 64))


@pytest.mark.parametrize("feature", OFFERED)
def test_probe_finds_logging(client, refused, feature):
    assert client.feature(PROBE | OFFERED[feature] | feature) == (8, PROBE | OFFERED[feature] | feature, b"")
    assert client.feature(PROBE | feature)[1] == PROBE | feature
    other = GET | SET ^ OFFERED[feature]
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(PROBE | other | feature))


def test_logging_starts_reports_and_stops(client, refused):
    ranges = [(0x100000, 0x100000), (0, 0x10000)]
    assert start(client, ranges) == PAGE
    refused(client, errno.EBUSY, Cmd.DEVICE_FEATURE,
            request(SET | START, struct.pack("<QIIQQ", PAGE, 1, 0, 0, 0x1000)))
    assert report(client, 0x100000, 0x100000) == set()
    assert report(client, 0, 0x1000000, 0x10000) == set()
    client.feature(SET | STOP)
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(SET | STOP))
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE,
            request(GET | REPORT, struct.pack("<QQQ", 0, 0x10000, PAGE), 128))


def test_what_the_device_writes_is_reported_once(tclient, memfd):
    """Writes of the device, in pages of the log's and of other sizes; what the client itself does is not logged."""
    fd = memfd(64 * PAGE)
    tclient.dma_map(0x100000, 64 * PAGE, fd=fd)
    engine = Engine(tclient)
    assert engine.run(WRITE, 0x100000, 16) == 0, "before logging: not in the log"
    start(tclient, [(0x100000, 64 * PAGE)])
    assert report(tclient, 0x100000, 64 * PAGE) == set()
    assert engine.run(WRITE, 0x100000 + 3 * PAGE, 16) == 0
    assert engine.run(WRITE, 0x100000 + 10 * PAGE - 1, 2) == 0, "over the edge of a page"
    assert engine.run(READ, 0x100000 + 20 * PAGE, 64) == 0
    os.pwrite(fd, b"guest", 30 * PAGE)
    assert report(tclient, 0x100000, 64 * PAGE) == {3, 9, 10}
    assert report(tclient, 0x100000, 64 * PAGE) == set(), "reported once"
    assert engine.run(WRITE, 0x100000 + 17 * PAGE, 1) == 0
    assert report(tclient, 0x100000, 64 * PAGE, 4 * PAGE) == {4}
    assert engine.run(WRITE, 0x100000 + 17 * PAGE, 1) == 0
    assert report(tclient, 0x100000 + 16 * PAGE, 4 * PAGE, 1024) == set(range(4, 8))
    tclient.feature(SET | STOP)


def test_logging_of_everything(client):
    """No ranges: all writes, at whatever granularity there is."""
    assert start(client, []) >= PAGE
    client.feature(SET | STOP)


def test_logging_ends_with_the_client(bochs):
    with QemuClient(bochs.path) as first:
        first.negotiate()
        start(first, [(0, 0x10000)])
    with QemuClient(bochs.path) as second:
        second.negotiate()
        assert start(second, [(0, 0x10000)]) == PAGE


@pytest.mark.parametrize("data", [
    b"", bytes(15), struct.pack("<QII", PAGE, 1, 0), struct.pack("<QII", 0, 0, 0), struct.pack("<QII", 3000, 0, 0),
    struct.pack("<QIIQQ", PAGE, 1, 0, 0, 0), struct.pack("<QIIQQ", PAGE, 1, 0, 1 << 63, 1 << 63 | 1),
    struct.pack("<QIIQQQQ", PAGE, 2, 0, 0, 0x2000, 0x1000, 0x1000)],
    ids=["empty", "short", "ranges-missing", "no-page-size", "odd-page-size", "empty-range", "wraps", "overlap"])
def test_bad_logging_start(client, refused, data):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(SET | START, data))


def test_more_ranges_than_the_limit(client, refused):
    n = 5000
    data = struct.pack("<QII", PAGE, n, 0) + b"".join(struct.pack("<QQ", i << 20, PAGE) for i in range(n))
    refused(client, errno.E2BIG, Cmd.DEVICE_FEATURE, request(SET | START, data))


def test_report_without_room_says_how_much(client):
    start(client, [(0, 0x100000)])
    argsz, _, reply = client.feature(GET | REPORT, struct.pack("<QQQ", 0, 0x100000, PAGE), 32)
    assert (argsz, reply) == (8 + 24 + 32, b"")
    client.feature(SET | STOP)


@pytest.mark.parametrize("flags", [0, proto.FEATURE_MIGRATION, GET | SET | proto.FEATURE_MIGRATION,
                                   PROBE | 1 << 19 | 1, GET | 1 << 31 | 1], ids=hex)
def test_flags_that_make_no_sense(client, refused, flags):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(flags))


@pytest.mark.parametrize("argsz", [0, 4, 7])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(PROBE | GET | 1, argsz=argsz))


@pytest.mark.parametrize("size", [0, 1, 4, 7])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(PROBE | GET | 1)[:size])


def test_huge_argsz_reserves_nothing(client, refused):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(GET | REPORT, bytes(24), 0xFFFFFFFF))


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(PROBE | GET | 1), eventfds(1))
