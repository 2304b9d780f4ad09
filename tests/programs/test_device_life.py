# SPDX-License-Identifier: MIT
"""vgpu-device from its start to its end: sockets, signals, log, service manager."""
import grp
import json
import os
import signal
import socket
import stat
import subprocess
import uuid

import pytest
from conftest import DEVICE, PATIENCE, Device, VfioUser, eventually, run
from vuser.channel import Channel, Closed


def start(path, *arguments, **options):
    return run(DEVICE, '--type', 'bochs-16m', '--socket-path', path, *arguments, **options)


def test_sigterm_ends_it_and_removes_its_sockets(tmp_path):
    with Device(tmp_path) as device:
        assert device.socket.exists() and device.control.exists()
        assert device.end() == 0
        assert not device.socket.exists() and not device.control.exists()
        assert 'ending' in device.log()


def test_sigint_ends_it_too(device):
    device.process.send_signal(signal.SIGINT)
    assert device.process.wait(PATIENCE) == 0


@pytest.mark.parametrize('idle', [True, False], ids=['idle', 'in the middle of a message'])
def test_a_client_is_said_goodbye_to(device, idle):
    client = device.attach()
    if not idle:
        client.channel.sock.send(b'\1\0\x09\0')
    assert device.end() == 0
    with pytest.raises(Closed):
        client.channel.recv()


def test_a_client_that_never_reads_does_not_keep_it(device):
    client = device.attach()
    client.channel.sock.setblocking(False)
    client.channel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        for _ in range(5000):  # replies of 4 KiB each, which nobody takes
            client.submit(9, (0).to_bytes(8, 'little') + (7).to_bytes(4, 'little') + (256).to_bytes(4, 'little'))
    except Exception:  # the socket is full, as intended
        pass
    assert device.end() == 0


def test_a_stale_socket_is_replaced(tmp_path):
    path = tmp_path / 'vgpu.sock'
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    with Device(tmp_path) as device:
        device.attach().close()


def test_a_live_socket_is_not_touched(device):
    before = os.stat(device.socket)
    done = start(device.socket)
    assert done.returncode == 4
    assert 'listens there already' in done.stderr and str(device.socket) in done.stderr
    assert os.stat(device.socket).st_ino == before.st_ino
    device.attach().close()


def test_a_file_is_not_touched(tmp_path):
    path = tmp_path / 'precious'
    path.write_text('data')
    done = start(path)
    assert done.returncode == 4 and 'not a socket' in done.stderr
    assert path.read_text() == 'data'
    done = start(tmp_path / 's', '--control-path', path)
    assert done.returncode == 4 and '--control-path' in done.stderr
    assert path.read_text() == 'data'
    assert not (tmp_path / 's').exists()


@pytest.mark.parametrize('path, phrase', [
    ('no/such/directory/s', 'directory does not exist'),
    ('x' * 120, '107 bytes'),
    ('', 'cannot make the socket'),
], ids=['no directory', 'too long', 'empty'])
def test_paths_that_cannot_be(tmp_path, path, phrase):
    done = start(tmp_path / path if path else '')
    assert done.returncode == 4 and phrase in done.stderr


def test_mode_and_group_of_the_socket(tmp_path):
    group = grp.getgrgid(os.getgroups()[0] if os.getgroups() else os.getgid())
    with Device(tmp_path, '--socket-mode', '0620', '--socket-group', group.gr_name) as device:
        seen = os.stat(device.socket)
        assert stat.S_IMODE(seen.st_mode) == 0o620 and seen.st_gid == group.gr_gid
        assert stat.S_IMODE(os.stat(device.control).st_mode) == 0o600


def test_an_inherited_listening_socket(tmp_path):
    path = tmp_path / 'given.sock'
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen()
        with Device(tmp_path, '--fd', s.fileno(), socket=False, pass_fds=[s.fileno()]) as device:
            for _ in range(2):  # it serves one client after the other
                client = VfioUser(path)
                client.version()
                client.close()
            assert device.call('GetInfo')['socket'] is None
            assert device.end() == 0
    assert path.exists(), 'who made the socket removes it'


def test_an_inherited_connection(tmp_path):
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with Device(tmp_path, '--fd', theirs.fileno(), socket=False, pass_fds=[theirs.fileno()]) as device:
        theirs.close()
        client = VfioUser(channel=Channel(ours))
        client.version()
        assert device.call('GetInfo')['client']['pid'] == os.getpid()
        assert client.read(7, 0, 2) == 0x1234
        client.close()
        assert device.process.wait(PATIENCE) == 0, 'its one client can not come again'


def test_the_service_manager_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / 'notify'))
        manager.settimeout(PATIENCE)
        with Device(tmp_path, env={'NOTIFY_SOCKET': str(tmp_path / 'notify')}) as device:
            assert manager.recv(100) == b'READY=1'
            device.attach().close()
            device.end()
            assert manager.recv(100) == b'STOPPING=1'


def test_a_service_manager_that_is_gone_is_no_reason_to_fail(tmp_path):
    with Device(tmp_path, env={'NOTIFY_SOCKET': str(tmp_path / 'notify')}) as device:
        device.attach().close()
        eventually(lambda: 'NOTIFY_SOCKET' in device.log())


def test_the_log_as_json(tmp_path):
    name = str(uuid.uuid4())
    with Device(tmp_path, '--log-format', 'json', '--log-level', 'debug', '--uuid', name.upper()) as device:
        device.attach().close()
        eventually(lambda: 'client left' in device.log())
        device.end()
        lines = [json.loads(line) for line in device.log().splitlines()]
    assert all(line['instance'] == name and line['type'] == 'bochs-16m' for line in lines)
    assert {'info', 'debug'} <= {line['level'] for line in lines}
    assert any(f'pid {os.getpid()}' in line['message'] for line in lines), 'who connected'


def test_the_log_for_the_journal(tmp_path):
    with Device(tmp_path, '--log-format', 'journal-prefix') as device:
        device.end()
        assert all(line.startswith('<6>') for line in device.log().splitlines())


def test_the_log_says_no_more_than_asked(tmp_path):
    with Device(tmp_path) as device:
        device.attach().close()
        eventually(lambda: 'client left' in device.log())
        assert ' debug ' not in device.log()


def test_without_standard_files(tmp_path):
    """With fds 0 to 2 closed at the start, nothing of its own may get these numbers."""
    path = tmp_path / 'vgpu.sock'
    shell = f'exec {DEVICE} --type bochs-16m --socket-path {path} <&- >&- 2>&-'
    with subprocess.Popen(['sh', '-c', shell]) as process:
        try:
            eventually(path.exists)
            for fd in range(3):
                assert os.readlink(f'/proc/{process.pid}/fd/{fd}') == '/dev/null'
            client = VfioUser(path)
            client.version()
            client.close()
        finally:
            process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_log_that_nobody_reads_does_not_stop_it(tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b'x' * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    with Device(tmp_path) as device:  # only for its folder: the one below has a full pipe
        device.end()
    command = [DEVICE, '--type', 'bochs-16m', '--socket-path', device.socket, '--log-level', 'debug']
    with subprocess.Popen(list(map(str, command)), stderr=writer) as process:
        try:
            eventually(device.socket.exists)
            client = device.attach()
            for _ in range(20):
                client.reset()
            client.close()
        finally:
            process.terminate()
        assert process.wait(PATIENCE) == 0
    os.close(reader)
    os.close(writer)
