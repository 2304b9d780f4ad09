# SPDX-License-Identifier: MIT
"""The test client itself: it writes what QEMU writes, and it notices when a server misbehaves."""
import errno
import os
import socket
import struct

import pytest

from vuser import proto
from vuser.channel import Channel, Closed, Timeout
from vuser.client import Client, WireError
from vuser.profiles import QEMU_JSON
from vuser.proto import Cmd, ProtocolError


@pytest.fixture
def pair():
    """(client, the server's end of its socket)"""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    far.settimeout(2)
    with Client(channel=Channel(near)) as client:
        yield client, far
    far.close()


# Captured from QEMU 11.1.3 with 64 MiB of guest memory.
@pytest.mark.parametrize("ours, captured", [
    (proto.message(1, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, 0x4000000)),
     "01000200300000000000000000000000" "2000000003000000000000000000000000000000000000000000000400000000"),
    (proto.message(2, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 1, 0, 0xFFFC0000, 0x40000)),
     "02000200300000000000000000000000" "200000000100000000000000000000000000fcff000000000000040000000000"),
    (proto.message(34, Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, 0x4000000)),
     "22000300280000000000000000000000" "180000000000000000000000000000000000000400000000"),
    (proto.message(3, Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0)),
     "03000400200000000000000000000000" "10000000000000000000000000000000"),
    (proto.message(10, Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(32, 0, 7, 0, 0, 0)),
     "0a000500300000000000000000000000" "2000000000000000070000000000000000000000000000000000000000000000"),
    (proto.message(11, Cmd.DEVICE_GET_IRQ_INFO, proto.IRQ_INFO.pack(16, 0, 3, 0)),
     "0b000700200000000000000000000000" "10000000000000000300000000000000"),
    (proto.message(22, Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, 0x21, 0, 0, 0)),
     "16000800240000000000000000000000" "1400000021000000000000000000000000000000"),
    (proto.message(12, Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, 7, 4096)),
     "0c000900200000000000000000000000" "00000000000000000700000000100000"),
    (proto.message(14, Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(0x30, 7, 4) + b"\0\xf8\xff\xff"),
     "0e000a00240000000000000000000000" "30000000000000000700000004000000" "00f8ffff"),
    (proto.message(25, Cmd.DEVICE_RESET), "19000d00100000000000000000000000"),
], ids=lambda v: "" if isinstance(v, str) else Cmd(struct.unpack_from("<H", v, 2)[0]).name)
def test_same_bytes_as_qemu(ours, captured):
    assert ours.hex() == captured


def test_version_of_qemu():
    assert len(proto.message(0, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON)) == 214


def test_sizes_are_the_specification_s():
    sizes = {"DMA_MAP": 32, "DMA_UNMAP": 24, "DEVICE_INFO": 16, "REGION_INFO": 32, "IO_FDS": 16, "IO_FD_ENTRY": 40,
             "IRQ_INFO": 16, "IRQ_SET": 20, "REGION_ACCESS": 16, "WRITE_MULTI_ENTRY": 24, "HEADER": 16, "MIG_DATA": 8}
    assert {name: getattr(proto, name).size for name in sizes} == sizes


def reply(cmd, payload=b"", msg_id=2, flags=proto.REPLY, error=0):
    return proto.message(msg_id, cmd, payload, flags, error)


def test_good_reply(pair):
    client, far = pair
    far.send(reply(Cmd.DEVICE_RESET))
    client.reset()


def test_error_reply(pair):
    client, far = pair
    far.send(reply(Cmd.DEVICE_RESET, flags=0x21, error=errno.EIO))
    with pytest.raises(WireError) as caught:
        client.reset()
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("answer", [
    reply(Cmd.DEVICE_RESET, b"x"),
    reply(Cmd.DEVICE_GET_INFO),
    reply(Cmd.DEVICE_RESET, error=5),
    reply(Cmd.DEVICE_RESET, b"payload", flags=0x21, error=5),
    reply(Cmd.DEVICE_RESET, flags=0x11),
    reply(Cmd.DEVICE_RESET, flags=0x41),
    reply(Cmd.DEVICE_RESET, flags=2),
    proto.header(2, Cmd.DEVICE_RESET, 15, 1),
    proto.header(2, Cmd.DEVICE_RESET, 1 << 31, 1),
], ids=["payload", "command", "errno-without-flag", "error-with-payload", "no-reply-bit", "unknown-bit", "type", "short", "huge"])
def test_bad_reply_is_noticed(pair, answer):
    client, far = pair
    far.send(answer)
    with pytest.raises(ProtocolError):
        client.reset()


def test_split_header_is_noticed(pair):
    client, far = pair
    far.send(reply(Cmd.DEVICE_RESET)[:10])
    with pytest.raises(ProtocolError, match="split"):
        client.reset()


def test_body_cut_short_is_noticed(pair):
    client, far = pair
    far.send(reply(Cmd.DEVICE_GET_INFO, bytes(16))[:-1])
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError, match="end of stream"):
        client.get_info()


def test_stray_fds_are_noticed_and_closed(pair):
    client, far = pair
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(far, [reply(Cmd.DEVICE_RESET)], [0, 0, 0])
    with pytest.raises(ProtocolError, match="fds"):
        client.reset()
    assert len(os.listdir("/proc/self/fd")) == before


def test_reply_to_a_posted_command_is_noticed(pair):
    client, far = pair
    msg_id = client.post(Cmd.DEVICE_RESET)
    far.send(reply(Cmd.DEVICE_RESET, msg_id=msg_id))
    with pytest.raises(ProtocolError, match="posted"):
        client.reset()


def test_silence_is_a_timeout_and_an_end_is_an_end(pair):
    client, far = pair
    with pytest.raises(Timeout):
        client.channel.recv(0.01)
    far.close()
    with pytest.raises(Closed):
        client.channel.recv()


def test_reset_of_the_connection_is_told_apart(pair):
    client, far = pair
    client.submit(Cmd.DEVICE_RESET)
    far.close()
    with pytest.raises(Closed, match="reset"):
        client.channel.recv()


def info_reply(flags=15, cap_offset=32, caps=b"", argsz=None):
    argsz = 32 + len(caps) if argsz is None else argsz
    return proto.REGION_INFO.pack(argsz, flags, 0, cap_offset, 1 << 20, 0) + caps


def sparse(areas, nxt=0, version=1, count=None):
    return (proto.CAP_HEADER.pack(proto.CAP_SPARSE_MMAP, version, nxt)
            + proto.SPARSE_HEAD.pack(len(areas) if count is None else count, 0)
            + b"".join(proto.SPARSE_AREA.pack(*a) for a in areas))


def test_capabilities_are_parsed():
    other = proto.CAP_HEADER.pack(2, 1, 48) + bytes(8)
    info = proto.parse_region_info(info_reply(caps=other + sparse([(0, 4096), (8192, 4096)])))
    assert [c[0] for c in info.caps] == [2, proto.CAP_SPARSE_MMAP]
    assert info.areas == [(0, 4096), (8192, 4096)]


@pytest.mark.parametrize("payload", [
    b"short",
    info_reply(caps=sparse([(0, 4096)], nxt=32)),
    info_reply(caps=sparse([(0, 4096)], nxt=33)),
    info_reply(caps=sparse([(0, 4096)], nxt=4096)),
    info_reply(caps=sparse([(0, 4096)], nxt=8)),
    info_reply(caps=sparse([(0, 4096)], version=2)),
    info_reply(caps=sparse([(0, 4096)], count=2)),
    info_reply(flags=7, caps=sparse([(0, 4096)])),
    info_reply(cap_offset=0, caps=sparse([(0, 4096)])),
    info_reply(caps=sparse([(0, 4096)]), argsz=40),
    info_reply(caps=sparse([(0, 4096)]), argsz=100),
], ids=["short", "loop", "odd", "outside", "into-the-structure", "version", "count", "no-flag", "no-offset", "argsz-less",
        "argsz-more"])
def test_malformed_capabilities_are_noticed(payload):
    with pytest.raises(ProtocolError):
        proto.parse_region_info(payload)
