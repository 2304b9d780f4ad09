# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_GET_INFO."""
import errno
import pytest

from vuser import proto
from vuser.proto import Cmd


def request(argsz=16, flags=0, regions=0, irqs=0):
    return proto.DEVICE_INFO.pack(argsz, flags, regions, irqs)


def test_a_pci_device_that_can_be_reset(client):
    argsz, flags, regions, irqs = client.get_info()
    assert argsz == 16
    assert flags == proto.DEVICE_RESET_SUPPORTED | proto.DEVICE_PCI
    # QEMU wants at least 8 and at most 100 regions, 3 to 50 irqs; libvfio-user's client exactly 9 regions.
    assert regions == proto.NUM_PCI_REGIONS
    assert irqs == proto.NUM_PCI_IRQS


@pytest.mark.parametrize("argsz", [17, 32, 4096, 0xFFFFFFFF])
def test_more_room_than_needed(client, argsz):
    assert client.get_info(argsz=argsz)[0] == 16


@pytest.mark.parametrize("argsz", [0, 1, 4, 15])
def test_too_little_room(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_INFO, request(argsz))


@pytest.mark.parametrize("size", [0, 1, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_INFO, request()[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_INFO, request(), eventfds(1))


def test_posted_is_processed_silently(client):
    client.post(Cmd.DEVICE_GET_INFO, request())
    client.barrier()


def test_same_answer_every_time(client):
    assert len({client.get_info() for _ in range(20)}) == 1
