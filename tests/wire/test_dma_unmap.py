# SPDX-License-Identifier: MIT
"""VFIO_USER_DMA_UNMAP."""
import errno

import pytest

from vuser import proto
from vuser.proto import Cmd

PAGE = 4096
MIB = 1 << 20
TOP = 1 << 64


def request(address=0, size=MIB, flags=0, argsz=24):
    return proto.DMA_UNMAP.pack(argsz, flags, address, size)


def test_reply_is_the_request(client, memfd):
    client.dma_map(0, MIB, memfd(MIB))
    client.dma_unmap(0, MIB)


def test_nothing_is_held_once_it_is_answered(bochs, client, memfd):
    """The server lets go of the file before it replies: neither mapped nor open any more."""
    before = bochs.fds()
    client.dma_map(0, MIB, memfd(MIB, "wire-unmap-me"))
    client.dma_unmap(0, MIB)
    assert "wire-unmap-me" not in bochs.maps()
    assert bochs.fds() == before


def test_map_again(client, memfd):
    """SeaBIOS re-shadows low memory: the same range comes and goes."""
    fd = memfd(MIB)
    for _ in range(100):
        client.dma_map(0, MIB, fd)
        client.dma_unmap(0, MIB)


def test_only_the_named_range_goes(client, refused, memfd):
    fd = memfd(MIB)
    for n in range(5):
        client.dma_map(n * MIB, MIB, fd)
    client.dma_unmap(2 * MIB, MIB)
    refused(client, errno.EEXIST, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, MIB, MIB))
    refused(client, errno.EEXIST, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 3 * MIB, MIB))
    client.dma_map(2 * MIB, MIB, fd)


@pytest.mark.parametrize("address, size", [(0, MIB), (TOP - PAGE, PAGE), (1 << 40, PAGE)], ids=hex)
def test_of_nothing(client, refused, address, size):
    refused(client, errno.ENOENT, Cmd.DMA_UNMAP, request(address, size))


def test_twice(client, refused, memfd):
    client.dma_map(0, MIB, memfd(MIB))
    client.dma_unmap(0, MIB)
    refused(client, errno.ENOENT, Cmd.DMA_UNMAP, request())


@pytest.mark.parametrize("address, size", [
    (4 * MIB, PAGE),
    (4 * MIB + PAGE, MIB - PAGE),
    (4 * MIB - PAGE, MIB),
    (4 * MIB + PAGE, PAGE),
    (4 * MIB + PAGE, 2 * MIB),
    (3 * MIB, 2 * MIB - PAGE),
], ids=hex)
def test_a_map_is_never_cut(bochs, client, refused, memfd, address, size):
    client.dma_map(4 * MIB, MIB, memfd(MIB))
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(address, size))
    assert "wire-guest-ram" in bochs.maps(), "and a refused unmap takes nothing"
    client.dma_unmap(4 * MIB, MIB)


@pytest.mark.parametrize("address, size", [(4 * MIB, 4 * MIB), (0, 1 << 40), (0, 16 * MIB)], ids=hex)
def test_several_maps_by_one_unmap(client, memfd, address, size):
    """The specification wants an exact match; like kernel VFIO, the server takes a range that covers whole maps:
    QEMU with a virtual IOMMU unmaps what the guest invalidates, holes included."""
    fd = memfd(2 * MIB)
    client.dma_map(4 * MIB, MIB, fd)
    client.dma_map(5 * MIB, MIB, fd, offset=MIB)
    client.dma_map(7 * MIB, MIB)
    client.dma_unmap(address, size)
    client.dma_map(4 * MIB, 4 * MIB)


@pytest.mark.parametrize("address, size", [(0, 0), (TOP - PAGE, 2 * PAGE), (PAGE, TOP - 1), (TOP - 1, TOP - 1)], ids=hex)
def test_empty_or_wrapping(client, refused, address, size):
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(address, size))


@pytest.mark.parametrize("argsz", [0, 8, 23])
def test_argsz_below_the_structure(client, refused, argsz):
    client.dma_map(0, MIB)
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(argsz=argsz))
    client.dma_unmap(0, MIB)


@pytest.mark.parametrize("size", [0, 8, 16, 23])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request()[:size])


def test_unmap_all(client, refused, memfd):
    """An extension that kernel VFIO has and rust-vmm names: everything goes, address and size are 0."""
    fd = memfd(MIB)
    for n in range(10):
        client.dma_map(n * 16 * MIB, MIB, fd)
    client.dma_unmap(0, 0, flags=proto.DMA_UNMAP_ALL)
    client.dma_map(0, 256 * MIB)


def test_unmap_all_of_nothing(client):
    client.dma_unmap(0, 0, flags=proto.DMA_UNMAP_ALL)


@pytest.mark.parametrize("address, size", [(0, MIB), (MIB, 0)], ids=hex)
def test_unmap_all_takes_no_range(client, refused, address, size):
    client.dma_map(0, MIB)
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(address, size, proto.DMA_UNMAP_ALL))
    client.dma_unmap(0, MIB)


@pytest.mark.parametrize("flags", [1, 3, 4, 0x80000000], ids=hex)
def test_flags_are_unused(client, refused, flags):
    client.dma_map(0, MIB)
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(flags=flags))
    client.dma_unmap(0, MIB)


def test_fds_are_refused(client, refused, memfd):
    client.dma_map(0, MIB)
    refused(client, errno.EINVAL, Cmd.DMA_UNMAP, request(), (memfd(MIB),))
    client.dma_unmap(0, MIB)


def test_in_any_order_among_many(client):
    """Enough maps that the look-up structure has depth, taken away from everywhere."""
    addresses = [n * 3 * PAGE for n in range(500)]
    for address in addresses:
        client.dma_map(address, PAGE)
    for address in sorted(addresses, key=lambda a: (a * 2654435761) & 0xFFFF):
        client.dma_unmap(address, PAGE)
    client.dma_map(0, 1 << 30)


def test_posted(client, refused):
    client.dma_map(0, MIB)
    client.post(Cmd.DMA_UNMAP, request())
    refused(client, errno.ENOENT, Cmd.DMA_UNMAP, request())
