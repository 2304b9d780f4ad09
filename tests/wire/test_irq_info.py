# SPDX-License-Identifier: MIT
"""VFIO_USER_DEVICE_GET_IRQ_INFO."""
import errno
import pytest

from vuser import proto
from vuser.proto import Cmd


def request(index, argsz=16, flags=0, count=0):
    return proto.IRQ_INFO.pack(argsz, flags, index, count)


def test_intx_is_level_and_automasked(tclient):
    flags, count = tclient.irq_info(proto.INTX)
    assert count == 1
    assert flags == proto.IRQ_EVENTFD | proto.IRQ_MASKABLE | proto.IRQ_AUTOMASKED


def test_msi_count_is_the_capability_s(tclient):
    flags, count = tclient.irq_info(proto.MSI)
    assert count == 8
    assert flags & proto.IRQ_EVENTFD and not flags & proto.IRQ_AUTOMASKED


def test_msix_can_grow_without_being_torn_down(tclient):
    flags, count = tclient.irq_info(proto.MSIX)
    assert count > 16, "more vectors than one message of QEMU carries"
    assert flags & proto.IRQ_EVENTFD and not flags & proto.IRQ_AUTOMASKED
    assert not flags & proto.IRQ_NORESIZE, "QEMU would resend all vectors for each new one"


@pytest.mark.parametrize("index", [proto.ERR, proto.REQ])
def test_err_and_req(tclient, index):
    flags, count = tclient.irq_info(index)
    assert count == 1
    assert flags & proto.IRQ_EVENTFD


@pytest.mark.parametrize("index", range(proto.NUM_PCI_IRQS))
def test_every_index_answers(client, index):
    """Also those that the device lacks: count 0, no error, since clients ask for all."""
    flags, count = client.irq_info(index)
    assert flags & ~0xF == 0
    assert count >= 0


@pytest.mark.parametrize("index", [5, 6, 255, 0x80000000, 0xFFFFFFFF])
def test_index_out_of_range(client, refused, index):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_IRQ_INFO, request(index))


@pytest.mark.parametrize("argsz", [0, 8, 15])
def test_too_little_room(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_IRQ_INFO, request(0, argsz))


@pytest.mark.parametrize("argsz", [17, 32, 0xFFFFFFFF])
def test_more_room_than_needed(client, argsz):
    client.irq_info(proto.ERR, argsz=argsz)


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_IRQ_INFO, request(0)[:size])


def test_fds_are_refused(client, refused, eventfds):
    refused(client, errno.EINVAL, Cmd.DEVICE_GET_IRQ_INFO, request(0), eventfds(1))
