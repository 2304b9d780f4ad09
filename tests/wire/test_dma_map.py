# SPDX-License-Identifier: MIT
"""VFIO_USER_DMA_MAP."""
import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import tempfile

import pytest
from waiting import eventually

from silent_fuse import SilentFuse
from vuser import proto
from vuser.channel import Closed
from vuser.client import WireError
from vuser.profiles import QemuClient
from vuser.proto import Cmd

PAGE = 4096
MIB = 1 << 20
TOP = 1 << 64


def request(address=0, size=MIB, offset=0, flags=proto.DMA_RW, argsz=32):
    return proto.DMA_MAP.pack(argsz, flags, offset, address, size)


def test_with_memory(client, memfd):
    client.dma_map(0, MIB, memfd(MIB))


def test_without_memory(client):
    client.dma_map(0xFFFC0000, 0x40000, flags=proto.DMA_READABLE)


@pytest.mark.parametrize("flags", [proto.DMA_READABLE, proto.DMA_WRITEABLE, proto.DMA_RW])
@pytest.mark.parametrize("with_fd", [True, False], ids=["fd", "no-fd"])
def test_permissions(client, memfd, flags, with_fd):
    client.dma_map(MIB, MIB, memfd(MIB) if with_fd else None, flags=flags)


def test_read_only_file_for_a_readable_map(client, keep, memfd):
    fd = memfd(MIB)
    ro = keep(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
    client.dma_map(0, MIB, ro, flags=proto.DMA_READABLE)


def test_read_only_file_for_a_writeable_map(client, refused, keep, memfd):
    fd = memfd(MIB)
    ro = keep(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
    refused(client, {errno.EACCES, errno.EINVAL, errno.EPERM}, Cmd.DMA_MAP, request(), (ro,))


def test_parts_of_one_file(client, memfd):
    """QEMU passes the same file again for each piece around the holes below 1 MiB."""
    fd = memfd(4 * MIB)
    client.dma_map(0, 0xC0000, fd)
    client.dma_map(0xC0000, 0x20000, flags=proto.DMA_READABLE)
    client.dma_map(0x100000, 3 * MIB, fd, offset=0x100000)
    client.dma_map(1 << 32, MIB, fd, offset=0)


@pytest.mark.parametrize("flags", [0, 4, 7, 0x80000003], ids=hex)
def test_flags_that_mean_nothing(client, refused, flags):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(flags=flags))


@pytest.mark.parametrize("argsz", [0, 16, 31])
def test_argsz_below_the_structure(client, refused, argsz):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(argsz=argsz))


@pytest.mark.parametrize("size", [0, 8, 24, 31])
def test_short_request(client, refused, size):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request()[:size])


def test_long_request(client, refused):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request() + bytes(8))


@pytest.mark.parametrize("address, size", [
    (0, 0),
    (MIB, 0),
    (TOP - PAGE, 2 * PAGE),
    (TOP - MIB, TOP - MIB),
    (PAGE, TOP - PAGE + 1),
    (TOP - 1, 1),
    (1, PAGE),
    (PAGE - 1, PAGE),
    (0, PAGE + 1),
    (0, 1),
    (0, TOP - 1),
], ids=hex)
def test_range_empty_wrapping_or_unaligned(client, refused, address, size):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(address, size))


@pytest.mark.parametrize("offset", [1, PAGE - 1, PAGE + 8, TOP - PAGE, (1 << 63) - PAGE, TOP - MIB], ids=hex)
def test_file_offset_unaligned_or_out_of_range(client, refused, memfd, offset):
    refused(client, {errno.EINVAL, errno.EOVERFLOW}, Cmd.DMA_MAP, request(offset=offset), (memfd(2 * MIB),))


@pytest.mark.parametrize("address, size", [
    (4 * MIB, MIB),
    (4 * MIB, PAGE),
    (4 * MIB - PAGE, 2 * PAGE),
    (5 * MIB - PAGE, PAGE),
    (5 * MIB - PAGE, MIB),
    (4 * MIB + PAGE, PAGE),
    (3 * MIB, 4 * MIB),
    (0, 1 << 40),
], ids=hex)
@pytest.mark.parametrize("with_fd", [True, False], ids=["fd", "no-fd"])
def test_overlap(client, refused, memfd, address, size, with_fd):
    client.dma_map(4 * MIB, MIB, memfd(MIB))
    refused(client, errno.EEXIST, Cmd.DMA_MAP, request(address, size), (memfd(MIB),) if with_fd and size <= MIB else ())
    client.dma_unmap(4 * MIB, MIB)


def test_neighbours_do_not_overlap(client, memfd):
    fd = memfd(3 * MIB)
    client.dma_map(4 * MIB, MIB, fd)
    client.dma_map(3 * MIB, MIB, fd)
    client.dma_map(5 * MIB, MIB, fd)


def test_refused_map_leaves_the_range_free(client, refused, memfd):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(flags=0), (memfd(MIB),))
    client.dma_map(0, MIB, memfd(MIB))


def test_two_fds(client, refused, memfd):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(), (memfd(MIB), memfd(MIB)))


def test_many_fds(client, refused, memfd):
    refused(client, errno.EINVAL, Cmd.DMA_MAP, request(), (memfd(MIB),) * 200)


def _wrong_fds(keep):
    left, right = os.pipe()
    keep(left), keep(right)
    sock = socket.socket(socket.AF_UNIX)
    return {
        "pipe": left,
        "eventfd": keep(os.eventfd(0)),
        "socket": keep(sock.detach()),
        "directory": keep(os.open("/", os.O_RDONLY)),
        "null": keep(os.open("/dev/null", os.O_RDWR)),
        "path": keep(os.open("/", os.O_PATH)),
        "write-only": keep(os.open("/dev/null", os.O_WRONLY)),
        "proc": keep(os.open("/proc/self/status", os.O_RDONLY)),
    }


@pytest.mark.parametrize("kind", ["pipe", "eventfd", "socket", "directory", "null", "path", "write-only", "proc"])
def test_fd_that_is_no_memory(client, refused, keep, kind):
    fd = _wrong_fds(keep)[kind]
    refused(client, {errno.EINVAL, errno.ENODEV, errno.EACCES, errno.EBADF}, Cmd.DMA_MAP, request(), (fd,))


def file_on_a_disk():
    """A file on no memory file system, or None where /var/tmp is one."""
    fd, name = tempfile.mkstemp(dir="/var/tmp")
    os.unlink(name)
    os.ftruncate(fd, MIB)
    if subprocess.run(["stat", "-f", "-c", "%T", "/var/tmp"], capture_output=True, text=True).stdout.strip() == "tmpfs":
        os.close(fd)
        return None
    return fd


def test_file_on_a_disk(fresh_server, refused, keep):
    """A file system may hang, and the server with it: refused with advice, unless the operator allows it."""
    fd = file_on_a_disk()
    if fd is None:
        pytest.skip("/var/tmp is a tmpfs")
    keep(fd)
    server = fresh_server()
    with QemuClient(server.path) as client:
        client.negotiate()
        refused(client, errno.EINVAL, Cmd.DMA_MAP, request(), (fd,))
    assert "1 MiB of client memory at 0" in server.log() and "memory-backend-memfd" in server.log()
    willing = fresh_server("bochs-16m", "--allow-any-memory")
    with QemuClient(willing.path) as client:
        client.negotiate()
        client.dma_map(0, MIB, fd)
        client.dma_unmap(0, MIB)


def test_file_system_that_does_not_answer(fresh_server, refused, tmp_path):
    """Not even a question about such a file may be asked, and closing it may take for ever."""
    server = fresh_server()   # before: a child that closes the file would wait for us
    try:
        fuse = SilentFuse(tmp_path)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    try:
        with QemuClient(server.path) as client:
            client.negotiate()
            fuse.silent = True
            for _ in range(3):
                refused(client, errno.EINVAL, Cmd.DMA_MAP, request(), (fuse.fd,))
            refused(client, errno.EINVAL, Cmd.DEVICE_RESET, b"", (fuse.fd,))
            assert client.read(proto.CONFIG, 0, 4)
    finally:
        fuse.close()


@pytest.mark.parametrize("in_one", [1, 8])
def test_more_files_that_do_not_answer_than_can_be_closed(fresh_server, refused, tmp_path, memfd, in_one):
    """Those that hang while they are closed are so many at most (FOREIGN_MAX_CLOSING): then nobody's are taken, but all else
    works; and none is lost when the file system goes."""
    server = fresh_server()
    before = server.fds().total()
    try:
        fuse = SilentFuse(tmp_path)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    try:
        fuse.silent = True
        dropped = False
        while not dropped:  # ends: so many descriptors are not there
            with QemuClient(server.path) as client:
                client.negotiate()
                with contextlib.suppress(WireError):
                    try:
                        client.call(Cmd.DEVICE_RESET, b"", (fuse.fd,) * in_one)
                    except (ConnectionError, Closed):
                        dropped = True
            assert server.fds().total() < before + 600
        assert "can't be closed, since their file systems don't answer" in server.log()
        stuck = server.fds()[f"{tmp_path}/memory"]
        # One that sends no descriptors is served; one that does is dropped, and nothing of it stays.
        with QemuClient(server.path) as client:
            client.negotiate()
            assert client.read(proto.CONFIG, 0, 4)
            with pytest.raises((ConnectionError, Closed)):
                client.dma_map(0, MIB, memfd(MIB))
        left = server.fds()
        assert left[f"{tmp_path}/memory"] == stuck and not any("wire-guest-ram" in kind for kind in left)
    finally:
        fuse.close()
    eventually(lambda: server.fds().total() <= before)
    with QemuClient(server.path) as client:
        client.negotiate()
        client.dma_map(0, MIB, memfd(MIB))


def test_file_shorter_than_the_map(client, memfd):
    """Refused or taken; what lies behind the end of the file must not kill the server."""
    fd = memfd(PAGE)
    try:
        client.dma_map(0, MIB, fd)
    except WireError as e:
        assert e.errno == errno.EINVAL
    client.barrier()


def test_truncated_later(client, memfd):
    fd = memfd(MIB)
    client.dma_map(0, MIB, fd)
    os.ftruncate(fd, 0)
    client.barrier()
    client.dma_unmap(0, MIB)


def test_sealed_memory(client, memfd):
    fd = memfd(MIB)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    client.dma_map(0, MIB, fd)


def test_huge_range_without_memory(client):
    client.dma_map(1 << 40, 1 << 40)
    client.dma_unmap(1 << 40, 1 << 40)


@pytest.mark.parametrize("shift", [41, 46, 52, 62])
def test_absurdly_huge_range(bochs, client, shift):
    """Taken or refused; either way it costs the server neither much memory nor much time."""
    before = bochs.memory_kib()
    try:
        client.dma_map(1 << 63, 1 << shift)
        client.dma_unmap(1 << 63, 1 << shift)
    except WireError as e:
        assert e.errno in (errno.EINVAL, errno.ENOSPC)
    assert bochs.memory_kib() - before < 64 * 1024


def test_last_page_of_the_address_space(client):
    """Ends at 2^64 exactly: taken or refused, but not by an overflow."""
    try:
        client.dma_map(TOP - PAGE, PAGE)
        client.dma_unmap(TOP - PAGE, PAGE)
    except WireError as e:
        assert e.errno == errno.EINVAL
    client.barrier()


def test_as_many_as_advertised(client, refused):
    """max_dma_maps maps fit, the next one is ENOSPC, and one unmapped makes room for one."""
    limit = client.caps.get("max_dma_maps", 65535)
    batch = 1024
    for first in range(0, limit, batch):
        ids = range(first, min(first + batch, limit))
        client.channel.send(b"".join(
            proto.message(n & 0xFFFF, Cmd.DMA_MAP, request(n * 2 * PAGE, PAGE)) for n in ids))
        for n in ids:
            client.wait(n & 0xFFFF, Cmd.DMA_MAP)
    refused(client, errno.ENOSPC, Cmd.DMA_MAP, request(limit * 2 * PAGE, PAGE))
    client.dma_unmap(2 * PAGE, PAGE)
    client.dma_map(limit * 2 * PAGE, PAGE)


def test_qemu_maps_memory_before_it_asks_anything(client, memfd):
    """QEMU pipelines its maps behind VERSION and asks what the device is afterwards."""
    first = client.submit(Cmd.DMA_MAP, request(), (memfd(MIB),))
    second = client.submit(Cmd.DMA_MAP, request(0xFFFC0000, 0x40000, flags=1))
    client.get_info()
    assert client.wait(first, Cmd.DMA_MAP).payload == b""
    assert client.wait(second, Cmd.DMA_MAP).payload == b""


def test_posted_map_and_its_error_are_silent(client, memfd):
    client.post(Cmd.DMA_MAP, request(), (memfd(MIB),))
    client.post(Cmd.DMA_MAP, request(), (memfd(MIB),))
    client.barrier()
    client.dma_unmap(0, MIB)


def test_client_that_leaves_without_unmapping(bochs, memfd):
    for _ in range(3):
        with QemuClient(bochs.path) as c:
            c.negotiate()
            for n in range(20):
                c.dma_map(n * MIB, MIB, memfd(MIB))
        bochs.wait_idle()
        assert "wire-guest-ram" not in bochs.maps()


def test_qemu_maps_a_bar_back_without_an_fd(client, keep):
    """QEMU maps a BAR's guest address without an fd once memory decode is on, one map per sparse area."""
    info, fd = client.region_info(proto.BAR0)
    keep(fd)
    client.dma_map(0xE0000000, info.size)
    client.dma_unmap(0xE0000000, info.size)
