# SPDX-License-Identifier: MIT
"""--record, --play and vgpuctl decode: a conversation goes into a file and comes out again, readable and playable."""
import json
import os
import re
import subprocess

import pytest
from waiting import eventually

from conftest import DRIVERS, _find
from vuser import proto
from vuser.client import WireError
from vuser.profiles import QemuClient


def converse(path, memfd):
    """A little of everything; returns how many requests that were."""
    with QemuClient(path) as c:
        c.negotiate()
        c.dma_map(0, 1 << 20, fd=memfd(1 << 20))
        c.get_info()
        c.region_info(proto.BAR0)
        c.region_write(proto.BAR0, 0x1000, bytes(range(200)))
        assert c.region_read(proto.BAR0, 0x1000, 200) == bytes(range(200))
        with pytest.raises(WireError):
            c.region_read(99, 0, 4)
        c.reset()


def play(path, stdin=None, kind="bochs-16m"):
    return subprocess.run([_find("vgpu-device"), "--driver", _find(DRIVERS[kind]), "--type", kind, "--play", path],
                          stdin=stdin, capture_output=True, text=True, timeout=20)


def decode(path, *args):
    return subprocess.run([_find("vgpuctl"), *args, "decode", path], capture_output=True, text=True, timeout=20)


@pytest.fixture
def recorded(fresh_server, tmp_path, memfd):
    path = tmp_path / "talk.rec"
    server = fresh_server("bochs-16m", "--record", str(path))
    converse(server.path, memfd)
    server.wait_idle()
    converse(server.path, memfd)
    server.wait_idle()
    assert os.stat(path).st_mode & 0o777 == 0o600
    return path


def test_what_was_said_is_readable(recorded):
    out = decode(recorded)
    assert (out.returncode, out.stderr) == (0, "")
    lines = out.stdout.splitlines()
    assert "request VERSION" in lines[0] and "-> " in lines[0]
    assert "reply VERSION" in lines[1] and "<- " in lines[1]
    assert any(re.search(r"request DMA_MAP .* fds 1 iova 0x0 size 0x100000 .* rw", line) for line in lines)
    assert any("REGION_WRITE" in line and "BAR0+0x1000 count 200 data 00 01 02" in line for line in lines)
    assert any("reply REGION_READ" in line and "error 22" in line for line in lines)
    assert {line.split()[0] for line in lines} == {"1", "2"}, "two clients"


def test_json_says_the_same(recorded):
    messages = [json.loads(line) for line in decode(recorded, "--json").stdout.splitlines()]
    assert len(messages) == len(decode(recorded).stdout.splitlines())
    assert messages[0]["direction"] == "in" and messages[1]["direction"] == "out"
    assert [m["time_ns"] for m in messages] == sorted(m["time_ns"] for m in messages)


def test_played_again_it_goes_the_same_way(recorded):
    out = play(recorded)
    assert out.returncode == 0, out.stderr
    sent, replies, in_recording, differ = map(int, re.findall(r"\d+", out.stdout))
    assert sent == replies == in_recording > 14
    assert differ == 0


def test_a_pipe_will_do(recorded):
    with open(recorded, "rb") as f:
        cat = subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE)
        out = play("-", stdin=cat.stdout)
        cat.stdout.close()
        cat.wait()
    assert out.returncode == 0 and ", 0 differ" in out.stdout


def test_a_difference_is_seen(recorded):
    """Played to another device, the regions differ, and so do the answers."""
    out = play(recorded, kind="testdev")
    assert out.returncode == 0, out.stderr
    assert int(re.findall(r"\d+", out.stdout)[3]) > 0


def test_every_cut_is_survived(recorded):
    data = recorded.read_bytes()
    cut = recorded.with_name("cut.rec")
    for size in [0, 1, 15, 16, 17, 39, 40, 41, *range(100, len(data), len(data) // 12)]:
        cut.write_bytes(data[:size])
        out = play(cut)
        assert out.returncode in (0, 1), f"{size}: {out.stderr}"
        assert out.returncode == 0 or "--play" in out.stderr
        assert decode(cut).returncode in (0, 1)


def test_what_is_no_recording(tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(5000))
    for out in play(junk), decode(junk):
        assert out.returncode == 1 and "not a recording" in out.stderr
    for out in play(tmp_path / "missing"), decode(tmp_path / "missing"):
        assert out.returncode == 1 and "No such file" in out.stderr


def test_a_place_that_can_not_be_written(tmp_path):
    out = subprocess.run([_find("vgpu-device"), "--driver", _find(DRIVERS["bochs-16m"]), "--type", "bochs-16m",
                          "--socket-path", tmp_path / "s", "--record", tmp_path / "no" / "where"],
                         capture_output=True, text=True, timeout=10)
    assert out.returncode == 1 and "--record" in out.stderr and "No such file" in out.stderr


def test_a_full_disk_ends_the_recording_not_the_service(tmp_path, memfd):
    socket = tmp_path / "s"
    process = subprocess.Popen([_find("vgpu-device"), "--driver", _find(DRIVERS["bochs-16m"]), "--type", "bochs-16m",
                                "--socket-path", socket, "--record", "/dev/full"], stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: socket.exists() or process.poll() is not None)
        converse(socket, memfd)
    finally:
        process.terminate()
        _, log = process.communicate(timeout=10)
    assert log.count("recording stopped") == 1 and "No space left" in log
    assert process.returncode == 1, "not all of it was recorded"
