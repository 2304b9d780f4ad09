# SPDX-License-Identifier: MIT
"""Clients that die at any byte, stop reading, stop writing, or make noise."""
import json
import os
import socket
import time

import pytest

from vuser import proto
from vuser.channel import Channel, Closed, Timeout
from vuser.conversation import conversation, MIB, read_request
from vuser.profiles import QemuClient
from vuser.proto import Cmd


# -- ends --------------------------------------------------------------------------------

def test_death_at_every_byte_sent(bochs, fds_for):
    """The client dies having sent n bytes, for every n of the conversation."""
    messages = conversation()
    for n in range(len(messages)):
        for cut in range(0, len(messages[n][0]), 1 if len(messages[n][0]) < 64 else 5):
            channel = Channel.connect(bochs.path)
            for m in range(n):
                channel.send(messages[m][0], fds_for(m))
            if cut:
                channel.send(messages[n][0][:cut], fds_for(n))
            channel.close()
            bochs.wait_idle()


@pytest.mark.parametrize("taken", [0, 1, 15, 16, 17, 31, 32, 1000, 70_000, MIB])
def test_death_in_the_middle_of_a_reply(bochs, taken):
    with QemuClient(bochs.path) as client:
        client.negotiate()
        for n in range(8):
            client.submit(Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.BAR0, MIB))
        left = taken
        client.channel.sock.settimeout(5)
        while left:
            left -= len(client.channel.sock.recv(min(left, 65536)))
    bochs.wait_idle()


def test_half_closed_client_still_gets_its_answers(channel):
    """shutdown(SHUT_WR) after the last request: it is answered before the end."""
    channel.send(b"".join(read_request(n) for n in range(100)))
    channel.sock.shutdown(socket.SHUT_WR)
    frames = channel.expect_close()
    assert [f.id for f in frames] == list(range(100))


def test_client_that_stops_reading_half_closed(channel, bochs):
    channel.sock.shutdown(socket.SHUT_RD)
    try:
        channel.send(b"".join(read_request(n) for n in range(100)))
    except Closed:
        pass
    channel.close()
    bochs.wait_idle()


# -- clients that stall -----------------------------------------------------------------

def test_client_that_never_reads_is_bounded(bochs, channel):
    """It asks for gigabytes and takes nothing: the server stops reading, keeps its memory and stays idle."""
    before = bochs.memory_kib()
    batch = b"".join(read_request(n, MIB, proto.BAR0) for n in range(512))
    with pytest.raises(Timeout):
        for _ in range(100):
            channel.send(batch, timeout=0.1)
    # The device's own 16 MiB may have become resident by being read.
    assert bochs.memory_kib() - before < 48 * 1024
    ticks = bochs.cpu_ticks()
    time.sleep(0.1)
    assert bochs.cpu_ticks() - ticks <= 2, "waits for the reader without spinning"
    bochs.check_alive()


def test_slow_reader_gets_everything_in_the_end(channel):
    count = 0
    batch = b"".join(read_request(0, 4096, proto.BAR0) for _ in range(64))
    try:
        while count < 100_000:
            channel.send(batch, timeout=0.05)
            count += 64
    except Timeout:
        pass
    assert count < 100_000
    # Whatever was sent in part is completed once replies are taken.
    for _ in range(count):
        frame = channel.recv()
        assert not frame.is_error and len(frame.payload) == 16 + 4096


def test_stalled_in_the_middle_of_a_message(bochs, channel):
    """Half a message and silence: no time-out ends a healthy connection, and no CPU is spent."""
    message = read_request(5)
    channel.send(message[:20])
    channel.wait_taken()
    ticks = bochs.cpu_ticks()
    time.sleep(0.1)
    assert bochs.cpu_ticks() - ticks <= 1
    channel.send(message[20:])
    assert channel.recv().id == 5


def ask_control(server, method):
    """One call on the control socket (varlink framing: JSON and a NUL)."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(2)
        sock.connect(str(server.control))
        sock.sendall(json.dumps({"method": method}).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            data += sock.recv(65536)
    return json.loads(data[:-1])["parameters"]


@pytest.mark.parametrize("how", ["half-a-message", "never-reads"])
def test_operator_is_served_while_a_client_stalls(bochs, channel, how):
    if how == "half-a-message":
        channel.send(read_request(5)[:20])
    else:
        with pytest.raises(Timeout):
            for _ in range(100):
                channel.send(b"".join(read_request(n, MIB, proto.BAR0) for n in range(64)), timeout=0.1)
    info = ask_control(bochs, "io.vgpud.Device.GetInfo")
    assert info["pid"] == bochs.pid and info["client"]["pid"] == os.getpid()


def test_sigterm_while_a_client_stalls(fresh_server):
    """Half a message received, replies unread: the server still ends at once with status 0 (checked by the fixture)."""
    server = fresh_server()
    channel = Channel.connect(server.path)
    channel.send(conversation()[0][0])
    assert not channel.recv().is_error
    with pytest.raises(Timeout):
        for _ in range(100):
            channel.send(b"".join(read_request(n, MIB, proto.BAR0) for n in range(64)), timeout=0.1)
    server.stop()
    channel.close()


def test_log_of_a_noisy_client_is_limited(fresh_server):
    """Thousands of refused requests leave a bounded number of lines."""
    server = fresh_server()
    with QemuClient(server.path) as client:
        client.negotiate()
        for _ in range(20):
            client.channel.send(b"".join(proto.message(n, 99) for n in range(500)))
            for _ in range(500):
                assert client.channel.recv().is_error
    assert len(server.log().splitlines()) < 200
