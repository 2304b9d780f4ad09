# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_FEATURE. No feature is offered yet, so the answers say so and tell that apart from nonsense."""
import errno
import struct

import pytest

from vuser import proto
from vuser.proto import Cmd

ENOTSUP = 95
KNOWN = [proto.FEATURE_MIGRATION, proto.FEATURE_MIG_DEVICE_STATE, proto.FEATURE_DMA_LOGGING_START,
         proto.FEATURE_DMA_LOGGING_STOP, proto.FEATURE_DMA_LOGGING_REPORT]
GET, SET, PROBE = proto.FEATURE_GET, proto.FEATURE_SET, proto.FEATURE_PROBE


def request(flags, data=b"", argsz=None):
    return proto.FEATURE.pack(8 + len(data) if argsz is None else argsz, flags) + data


@pytest.mark.parametrize("feature", [*KNOWN, 0, 3, 9, 0xFFFF])
@pytest.mark.parametrize("method", [GET, SET, GET | SET, 0], ids=["get", "set", "both", "any"])
def test_probe_says_unsupported(client, refused, feature, method):
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(PROBE | method | feature))


@pytest.mark.parametrize("feature", [*KNOWN, 0, 3, 0xFFFF])
@pytest.mark.parametrize("method", [GET, SET], ids=["get", "set"])
def test_use_says_unsupported(client, refused, feature, method):
    data = struct.pack("<QQQ", 0, 0, 0)
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(method | feature, data, 64))


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
    refused(client, ENOTSUP, Cmd.DEVICE_FEATURE, request(GET | proto.FEATURE_DMA_LOGGING_REPORT, bytes(24), 0xFFFFFFFF))


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_FEATURE, request(PROBE | GET | 1), eventfds(1))
