# SPDX-License-Identifier: MIT
"""One client at a time: the second is told so at once, the first notices nothing."""
import errno

import pytest
from waiting import eventually

from vuser import proto
from vuser.channel import Channel, Closed
from vuser.client import Client, WireError
from vuser.profiles import QEMU_JSON
from vuser.proto import Cmd


def test_qemu_second_is_refused_by_a_version_error(bochs, client):
    """Left in the backlog it would stall QEMU's device_add for 5 s."""
    with Client(bochs.path) as second:
        with pytest.raises(WireError) as caught:
            second.call(Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON, msg_id=0)
        assert caught.value.errno == errno.EBUSY
        assert second.channel.expect_close() == []
    client.barrier()


def test_version_reply_s_id_is_echoed(bochs, client):
    channel = Channel.connect(bochs.path)
    channel.send(proto.message(0x1234, Cmd.VERSION, proto.VERSION.pack(0, 1) + QEMU_JSON))
    frame, = channel.expect_close()
    assert (frame.id, frame.cmd, frame.flags) == (0x1234, Cmd.VERSION, proto.REPLY | proto.ERROR)
    channel.close()


def test_first_is_not_disturbed(bochs, client, memfd):
    """In the middle of its work: pipelined requests, maps, posted writes."""
    client.dma_map(0, 1 << 20, memfd(1 << 20))
    seconds = []
    ids = []
    for _ in range(12):
        ids.append(client.submit(Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 64)))
        seconds.append(Channel.connect(bochs.path))
        seconds[-1].send(proto.message(1, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON))
        client.region_post(proto.CONFIG, 0x3C, b"\x07")
    for msg_id in ids:
        assert len(client.wait(msg_id, Cmd.REGION_READ).payload) == 80
    for second in seconds:
        frames = second.expect_close()
        assert [f.error for f in frames] == [errno.EBUSY]
        second.close()
    client.dma_unmap(0, 1 << 20)
    assert client.read(proto.CONFIG, 0x3C, 1) == 7


def test_while_the_first_has_not_negotiated(bochs):
    """The place is taken by who connected first, whatever he says."""
    with Client(bochs.path) as first, Client(bochs.path) as second:
        with pytest.raises(WireError) as caught:
            second.version(0, 0, data=QEMU_JSON)
        assert caught.value.errno == errno.EBUSY
        first.version(0, 0, data=QEMU_JSON)


def test_while_the_first_stalls_in_a_message(bochs, client):
    message = proto.message(5, Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4))
    client.channel.send(message[:10])
    with Client(bochs.path) as second, pytest.raises(WireError) as caught:
        second.version(0, 0, data=QEMU_JSON)
    assert caught.value.errno == errno.EBUSY
    client.channel.send(message[10:])
    client.wait(5, Cmd.REGION_READ)


def test_second_that_says_something_else(bochs, client):
    channel = Channel.connect(bochs.path)
    channel.send(proto.message(9, Cmd.DEVICE_RESET))
    for frame in channel.expect_close():
        assert frame.id == 9 and frame.is_error
    channel.close()
    client.barrier()


@pytest.mark.parametrize("data", [b"\xff" * 64, bytes(64), bytes(3)], ids=["ones", "zeros", "short"])
def test_second_that_sends_rubbish(bochs, client, data):
    channel = Channel.connect(bochs.path)
    try:
        channel.send(data)
    except Closed:
        pass
    channel.close()
    client.barrier()


def test_second_s_fds_are_closed(bochs, client, eventfds):
    before = sum(bochs.fds().values())
    for _ in range(5):
        channel = Channel.connect(bochs.path)
        channel.send(proto.message(1, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON), eventfds(50))
        channel.expect_close()
        channel.close()
    eventually(lambda: sum(bochs.fds().values()) == before)


def test_silent_seconds_are_bounded(bochs, client):
    """Connections that say nothing cost little, do not pile up without limit and do no harm."""
    silent = []
    for _ in range(100):
        try:
            silent.append(Channel.connect(bochs.path, timeout=0.5))
        except BlockingIOError:
            break
        client.barrier()
    held = sum(bochs.fds().values()) - sum(bochs.baseline.values())
    assert held < 64
    for channel in silent:
        channel.close()
    client.barrier()


def test_second_gets_in_when_the_first_has_left(bochs):
    with Client(bochs.path) as first:
        first.version(0, 0, data=QEMU_JSON)
    with Client(bochs.path) as second:
        second.version(0, 0, data=QEMU_JSON)
        second.barrier()
