# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_GET_REGION_IO_FDS: where a doorbell can be an ioeventfd. None is offered for these devices."""
import errno
import os

import pytest

from vuser import proto
from vuser.proto import Cmd


def request(index, argsz=16, flags=0, count=0):
    return proto.IO_FDS.pack(argsz, flags, index, count)


@pytest.mark.parametrize("index", range(proto.NUM_PCI_REGIONS))
def test_every_region_answers(client, index):
    argsz, flags, got, count, entries, fds = client.region_io_fds(index, argsz=4096)
    for fd in fds:
        os.close(fd)
    assert (flags, got) == (0, index)
    assert (argsz, count, entries, fds) == (16, 0, [], [])


@pytest.mark.parametrize("index", [9, 100, 0xFFFFFFFF])
def test_region_out_of_range(client, refused, index):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(index))


@pytest.mark.parametrize("argsz", [0, 8, 15])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0, argsz))


@pytest.mark.parametrize("flags, count", [(1, 0), (0x80000000, 0), (0, 1), (0, 0xFFFFFFFF)])
def test_fields_that_must_be_zero(client, refused, flags, count):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0, 4096, flags, count))


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0)[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_REGION_IO_FDS, request(0), eventfds(1))
