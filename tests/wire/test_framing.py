# SPDX-License-Identifier: MIT
"""Below the commands: bytes, pieces, batches, and file descriptors."""
import errno
import itertools
import os
import signal

import pytest

from vuser import proto
from vuser.channel import Channel, Closed, SCM_MAX_FD, Timeout
from vuser.client import check_read_reply
from vuser.conversation import collect, conversation, MIB, read_request
from vuser.proto import Cmd

ENOTSUP = 95


# -- pieces ----------------------------------------------------------------------

def test_every_message_cut_at_every_byte(bochs, fds_for):
    """Two pieces, the second sent only when the first has been read."""
    messages = conversation()
    longest = max(len(m) for m, _ in messages)
    for cut in range(1, longest):
        channel = Channel.connect(bochs.path)
        try:
            for n, (data, _) in enumerate(messages):
                channel.send_pieces(data, [cut] if cut < len(data) else [], fds_for(n))
            collect(channel, len(messages))
        finally:
            channel.close()
        bochs.wait_idle()


def test_one_byte_at_a_time(bochs, fds_for):
    channel = Channel.connect(bochs.path)
    try:
        for n, (data, _) in enumerate(conversation()):
            channel.send_pieces(data, range(1, len(data)), fds_for(n))
        collect(channel, len(conversation()))
    finally:
        channel.close()


def test_whole_conversation_at_once(bochs):
    """One send with everything that needs no fd; pieces of it that ignore where messages end."""
    messages = [m for m, fds in conversation() if not fds]
    data = b"".join(m for m in messages[:-2]) + messages[-1]
    ids = [1, 3, 4, 5, 6, 9]
    for step in (len(data), 97, 64, 31, 17, 16, 15):
        channel = Channel.connect(bochs.path)
        try:
            channel.send_pieces(data, range(step, len(data), step))
            for msg_id in ids:
                frame = channel.recv()
                for fd in frame.fds:
                    os.close(fd)
                assert frame.id == msg_id and not frame.is_error
        finally:
            channel.close()
        bochs.wait_idle()


@pytest.mark.parametrize("cuts", [[16], [20, 40], [32], [32 + 1], [32 + 4096], [100, 50000, 500000, MIB]], ids=str)
def test_largest_write_in_pieces(channel, cuts):
    data = os.urandom(4096) * 256
    message = proto.message(7, Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(0, proto.BAR0, MIB) + data)
    channel.send_pieces(message, cuts)
    frame = channel.recv()
    assert frame.id == 7 and not frame.is_error
    channel.send(read_request(8, MIB, proto.BAR0))
    assert check_read_reply(channel.recv().payload, proto.BAR0, 0, MIB) == data


def test_reply_taken_in_small_pieces(bochs, channel):
    """A reader that takes 100 bytes at a time gets the same megabyte."""
    channel.send(read_request(5, MIB, proto.BAR0) + read_request(6))
    want = 16 + 16 + MIB + 16 + 16 + 4
    channel.sock.settimeout(5)
    data = bytearray()
    while len(data) < want:
        piece = channel.sock.recv(100 if len(data) < 50_000 else 65536)
        assert piece
        data += piece
    head = proto.HEADER.unpack_from(data, want - 36)
    assert head == (6, Cmd.REGION_READ, 36, proto.REPLY, 0)
    bochs.check_alive()


# -- batches ----------------------------------------------------------------------

def test_qemu_sees_no_header_in_two_pieces(channel):
    """QEMU reads 16 bytes and gives up on fewer. recv() insists on it; the slow reader makes the server stop midway."""
    count = 6000
    data = b"".join(read_request(n, 1 + n % 251) for n in range(count))
    view, received = memoryview(data), 0
    while received < count:
        if len(view):
            try:
                view = view[channel.sock.send(view[:65536]):]
            except BlockingIOError:
                pass
        for _ in range(40):
            try:
                frame = channel.recv(0 if len(view) else 5)
            except Timeout:
                break
            assert frame.id == received
            check_read_reply(frame.payload, proto.CONFIG, 0, 1 + received % 251)
            received += 1
            if received == count:
                break


@pytest.mark.parametrize("sizes", [[4], [100], [1000], [5000], [33_000], [70_000], [1, 7, 251, 4096, 13, 60_000, 2]], ids=str)
def test_no_send_ends_within_a_header(bochs, channel, sizes):
    """The same, whatever the timing: with its socket full and the server stopped, what is there to be read ends with a
    message or in the body of one."""
    requests = itertools.cycle([read_request(7, size, proto.BAR0) for size in sizes])
    with pytest.raises(Timeout):
        for _ in range(1000):
            channel.send(b"".join(itertools.islice(requests, 200)), timeout=0.1)
    os.kill(bochs.pid, signal.SIGSTOP)
    try:
        data = bytearray()
        while True:
            try:
                data += channel.sock.recv(1 << 20)
            except BlockingIOError:
                break
    finally:
        os.kill(bochs.pid, signal.SIGCONT)
    at = 0
    while len(data) - at >= proto.HEADER.size:
        at += proto.HEADER.unpack_from(data, at)[2]
    assert at >= len(data), f"{len(data) - at} bytes of a header"
    assert len(data) > 1000


def test_posted_and_answered_mixed(channel):
    batch = b""
    for n in range(500):
        batch += proto.message(n, Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(0x3C, proto.CONFIG, 1) + bytes([n & 0xFF]),
                               proto.NO_REPLY)
        batch += read_request(n, 1, offset=0x3C)
    channel.send(batch)
    for n in range(500):
        frame = channel.recv()
        assert frame.id == n and frame.payload[16:] == bytes([n & 0xFF])


def test_ids_are_the_client_s_business(channel):
    """They may repeat, even concurrently, and are echoed as they came."""
    ids = [0, 0, 0xFFFF, 7, 7, 0x8000, 0]
    channel.send(b"".join(read_request(n) for n in ids))
    assert [channel.recv().id for _ in ids] == ids


# -- malformed framing --------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 8, 15, MIB + 8192, 1 << 30, 0x80000000, 0xFFFFFFFF], ids=hex)
@pytest.mark.parametrize("tail", [0, 100_000], ids=["alone", "with-a-tail"])
def test_impossible_size_ends_the_connection(channel, size, tail):
    """Nothing after such a header can be understood: the end comes after a drain, as QEMU aborts on ECONNRESET."""
    channel.send(proto.header(3, Cmd.DEVICE_GET_INFO, size) + bytes(tail))
    for frame in channel.expect_close():
        assert frame.is_error and frame.id == 3


def test_answers_before_an_impossible_size_still_arrive(channel):
    channel.send(read_request(1) + read_request(2) + proto.header(3, Cmd.DEVICE_GET_INFO, 3) + bytes(5000))
    frames = channel.expect_close()
    assert [f.id for f in frames[:2]] == [1, 2]
    assert not any(f.is_error for f in frames[:2])


@pytest.mark.parametrize("cmd", [0, 11, 12, 14, 19, 20, 255, 0x8001, 0xFFFF])
@pytest.mark.parametrize("size", [0, 4, 48])
def test_unknown_command(client, refused, cmd, size):
    """Also 14, which older drafts had, and 11 and 12, which only servers send."""
    refused(client, ENOTSUP, cmd, bytes(size))


def test_unknown_command_of_the_largest_size(client, refused):
    refused(client, ENOTSUP, 99, bytes(MIB + 16))


def test_unknown_command_with_fds(client, refused, eventfds):
    refused(client, {ENOTSUP, errno.EINVAL}, 99, b"", eventfds(3))


def test_posted_unknown_command(client):
    client.post(99, b"payload")
    client.barrier()


@pytest.mark.parametrize("flags", [*range(2, 16), 0x20, 0x40, 0x80, 0x100, 0x80000000, 0xFFFFFFE0], ids=hex)
def test_flags_that_a_command_does_not_have(client, flags):
    """A type that is neither command nor reply, the error bit, reserved bits: EINVAL, and the connection goes on."""
    client.channel.send(proto.header(77, Cmd.DEVICE_GET_INFO, 32, flags) + proto.DEVICE_INFO.pack(16, 0, 0, 0))
    frame = client.channel.recv()
    assert (frame.id, frame.error, frame.payload) == (77, errno.EINVAL, b"")
    client.barrier()


@pytest.mark.parametrize("payload", [b"", bytes(16), bytes(4096)])
@pytest.mark.parametrize("cmd", [Cmd.DEVICE_GET_INFO, Cmd.DMA_READ, Cmd.DMA_WRITE, Cmd.REGION_READ, 99])
def test_reply_to_nothing(client, cmd, payload):
    """A reply that nobody waits for (it may have come too late) is not answered and does no harm."""
    client.channel.send(proto.message(77, cmd, payload, proto.REPLY))
    client.channel.send(proto.message(78, cmd, payload, proto.REPLY | proto.ERROR, errno.EIO))
    client.barrier()


def test_error_field_of_a_command_is_reserved(client):
    client.channel.send(proto.header(1, Cmd.REGION_READ, 32, 0, 5) + proto.REGION_ACCESS.pack(0, proto.CONFIG, 4))
    frame = client.wait(1, Cmd.REGION_READ)
    assert frame.error == 0 and len(frame.payload) == 20


# -- file descriptors ----------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 16, SCM_MAX_FD])
def test_fds_that_nobody_asked_for_are_closed(bochs, client, refused, keep, count):
    before = bochs.fds()
    fd = keep(os.memfd_create("stray"))
    refused(client, errno.EINVAL, Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4), [fd] * count)
    assert bochs.fds() == before


def test_fds_with_every_byte(bochs, client, keep):
    """A client that stuffs each byte of a message with fds: bounded, then an error or the end."""
    fd = keep(os.memfd_create("stuffed"))
    before = sum(bochs.fds().values())
    message = proto.message(5, Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0))
    try:
        for n in range(len(message)):
            client.channel.send(message[n:n + 1], [fd] * 200)
            client.channel.wait_taken()
            assert sum(bochs.fds().values()) - before <= 2 * SCM_MAX_FD
        frame = client.channel.recv()
        assert frame.id == 5 and frame.is_error
        client.barrier()
        assert sum(bochs.fds().values()) == before
    except Closed as e:
        assert "reset" not in str(e)


@pytest.mark.parametrize("at", [1, 8, 15, 16, 17, 40, 47])
def test_fd_in_the_middle_of_its_message(bochs, client, memfd, at):
    """The specification names no byte. Taken or refused, it must not stay behind."""
    before = bochs.fds()
    message = proto.message(5, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB))
    client.channel.send(message[:at])
    client.channel.wait_taken()
    client.channel.send(message[at:], [memfd(MIB)])
    frame = client.channel.recv()
    assert frame.id == 5
    if not frame.is_error:
        client.dma_unmap(0, MIB)
    client.barrier()
    assert bochs.fds() == before


def test_fds_go_with_their_own_message_in_a_row(client, memfd):
    """Messages with and without fds, sent faster than they are read."""
    for n in range(40):
        fds = (memfd(MIB),) if n % 3 else ()
        client.channel.send(proto.message(n, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, n * MIB, MIB)), fds)
        client.channel.send(read_request(100 + n))
    for n in range(40):
        client.wait(n, Cmd.DMA_MAP)
        client.wait(100 + n, Cmd.REGION_READ)


def test_fd_of_the_next_message_is_not_the_previous_one_s(client, refused, memfd):
    """A batch whose second message brings the fd: the first has none and must see none."""
    first = proto.message(1, Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0))
    client.channel.send(first)
    client.channel.send(proto.message(2, Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB)), [memfd(MIB)])
    assert not client.wait(1, Cmd.DEVICE_GET_INFO).is_error
    assert not client.wait(2, Cmd.DMA_MAP).is_error
