# SPDX-License-Identifier: MIT
"""vgpu-device --sandbox: it serves inside, and what a taken-over driver tries there fails."""
import errno
import os
import re
import socket

import pytest
from conftest import BUILD, DEVICE, PATIENCE, Device, Screen, run
from vuser.channel import Closed

CULPRIT = BUILD / 'tests' / 'programs' / 'drivers' / 'culprit.so'
DEEDS = ['execve', 'inet socket', 'unix socket', 'read passwd', 'write tmp', 'fork', 'code', 'ptrace', 'signal',
         'raise limit', 'chmod', 'harmless', 'other ioctl', 'device ioctl']  # and the next one: a crash
REFUSED = {errno.EPERM, errno.EACCES}
# The leak checker of sanitized builds traces its own process, which is refused.
ENV = {'ASAN_OPTIONS': ':'.join(filter(None, [os.environ.get('ASAN_OPTIONS'), 'detect_leaks=0']))}


def strict(tmp_path, *arguments, **options):
    env = {**ENV, **options.pop('env', {})}
    return Device(tmp_path, '--sandbox', 'strict', *arguments, env=env, **options)


def status(device):
    with open(f'/proc/{device.process.pid}/status') as file:
        return dict(re.findall(r'^(\w+):\s*(.*)$', file.read(), re.M))


def deed(device, name):
    client = device.attach()
    client.write(0, 0, 4, DEEDS.index(name) + 1)
    result = client.read(0, 4, 4)
    client.close()
    return result


def test_what_the_kernel_says_of_it(tmp_path):
    with strict(tmp_path) as device:
        seen = status(device)
        assert seen['NoNewPrivs'] == '1' and seen['Seccomp'] == '2'
        assert all(int(seen[which], 16) == 0 for which in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb'))
        with open(f'/proc/{device.process.pid}/limits') as limits:
            assert re.search(r'^Max core file size\s+0\s+0\s', limits.read(), re.M)
        assert 'degraded' not in device.log()


def test_a_life_in_it(tmp_path):
    """A conversation, a screenshot by its thread, the next client, and the sockets go away."""
    with strict(tmp_path) as device:
        for width in (64, 80):
            with Screen(device, width, 48) as screen:
                screen.draw()
                assert device.call('GetInfo')['client']['pid'] == os.getpid()
                assert device.call('Screenshot')['width'] == width
                picture = tmp_path / f'{width}.png'
                done = device.ctl('screenshot', '-o', picture)
                assert done.returncode == 0, done.stderr
                assert picture.read_bytes().startswith(b'\x89PNG')
        assert device.end() == 0
        assert not device.socket.exists() and not device.control.exists()


def test_the_service_manager_is_told_from_inside(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / 'notify'))
        manager.settimeout(PATIENCE)
        with strict(tmp_path, env={'NOTIFY_SOCKET': str(tmp_path / 'notify')}) as device:
            assert manager.recv(100) == b'READY=1'
            device.end()
            assert manager.recv(100) == b'STOPPING=1'
            assert 'NOTIFY_SOCKET' not in device.log()


@pytest.mark.parametrize('name', [name for name in DEEDS if name != 'harmless'])
def test_a_driver_taken_over_is_refused(tmp_path, name):
    with strict(tmp_path, '--driver', CULPRIT, '--type', 'culprit') as device:
        assert deed(device, name) in REFUSED
        assert deed(device, 'harmless') == 0


@pytest.mark.parametrize('name', ['inet socket', 'unix socket', 'read passwd', 'write tmp', 'fork', 'code', 'signal'])
def test_without_it_the_same_works(tmp_path, name):
    """So that the test above shows the sandbox, and no accident."""
    with Device(tmp_path, '--driver', CULPRIT, '--type', 'culprit') as device:
        assert deed(device, name) == 0


def test_a_mode_that_is_none(tmp_path):
    done = run(DEVICE, '--type', 'bochs-16m', '--socket-path', tmp_path / 's', '--sandbox', 'tight')
    assert done.returncode == 2 and 'none, auto, strict' in done.stderr


def test_a_crash_in_it_leaves_a_back_trace(tmp_path):
    with strict(tmp_path, '--driver', CULPRIT, '--type', 'culprit') as device:
        client = device.attach()
        with pytest.raises((Closed, OSError)):
            client.write(0, 0, 4, len(DEEDS) + 1)
        client.close()
        assert device.process.wait(PATIENCE) != 0
        if 'Sanitizer' not in device.log():  # it has a back trace of its own
            assert 'vgpu-device: crashed: SIGABRT' in device.log() and 'culprit.so(' in device.log()
