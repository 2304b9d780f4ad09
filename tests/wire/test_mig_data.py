# SPDX-License-Identifier: MIT
"""VFIO_USER_MIG_DATA_READ and _WRITE: no migration is offered yet, so there is no state in which they are legal."""
import errno
import pytest

from vuser import proto
from vuser.proto import Cmd

ENOTSUP = 95


def read_request(size, argsz=None):
    return proto.MIG_DATA.pack(8 + size & 0xFFFFFFFF if argsz is None else argsz, size)


def write_request(data, size=None, argsz=8):
    return proto.MIG_DATA.pack(argsz, len(data) if size is None else size) + data


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20])
def test_read_is_unsupported(client, refused, size):
    refused(client, ENOTSUP, Cmd.MIG_DATA_READ, read_request(size))


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 19])
def test_write_is_unsupported(client, refused, size):
    refused(client, ENOTSUP, Cmd.MIG_DATA_WRITE, write_request(b"m" * size))


@pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 31, 0xFFFFFFFF])
def test_read_larger_than_the_transfer_limit(client, refused, size):
    refused(client, errno.EINVAL, Cmd.MIG_DATA_READ, read_request(size, 0xFFFFFFFF))


@pytest.mark.parametrize("said", [0, 3, 5, 0xFFFFFFFF])
def test_write_size_that_is_not_the_data_s(client, refused, said):
    refused(client, errno.EINVAL, Cmd.MIG_DATA_WRITE, write_request(b"four", said))


@pytest.mark.parametrize("cmd", [Cmd.MIG_DATA_READ, Cmd.MIG_DATA_WRITE])
@pytest.mark.parametrize("size", [0, 4, 7])
def test_short_request(client, refused, cmd, size):
    refused(client, errno.EINVAL, cmd, bytes(size))


@pytest.mark.parametrize("argsz", [0, 7])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.MIG_DATA_READ, read_request(0, argsz))
    refused(client, errno.EINVAL, Cmd.MIG_DATA_WRITE, write_request(b"", argsz=argsz))


@pytest.mark.parametrize("cmd", [Cmd.MIG_DATA_READ, Cmd.MIG_DATA_WRITE])
def test_fds_are_refused(client, refused, eventfds, cmd):
    refused(client, errno.EINVAL, cmd, proto.MIG_DATA.pack(8, 0), eventfds(1))
