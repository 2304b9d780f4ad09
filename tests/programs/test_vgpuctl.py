# SPDX-License-Identifier: MIT
"""vgpuctl: what it prints, and what it says when it can't."""
import json
import os
import re
import signal
import subprocess

import png
import pytest
from conftest import CTL, Device, Screen, run
from test_device_options import manual, options_of
from varlink import Fake

VERBS = ['attach-args', 'create', 'decode', 'define', 'doctor', 'events', 'import', 'info', 'list', 'log', 'metrics',
         'modify', 'parents', 'remove', 'screenshot', 'show', 'start', 'stats', 'stop', 'top', 'types']


def test_help_lists_the_verbs_and_explains_each():
    done = run(CTL, '--help')
    assert done.returncode == 0 and not done.stderr
    assert re.findall(r'^  ([a-z-]+)  ', done.stdout, re.M) == VERBS
    for verb in VERBS:
        for words in ([verb, '--help'], [verb, '-h']):
            one = run(CTL, *words)
            assert one.returncode == 0 and 'Example:' in one.stdout and '--control-path' in one.stdout
            assert f'vgpuctl {verb}' in one.stdout.split('Example:')[1]


def test_the_manual_knows_all_of_it():
    text = manual('vgpuctl.1')
    for words in ([], *([verb] for verb in VERBS)):
        helped = {o for o in options_of(run(CTL, *words, '--help').stdout)
                  if o not in ('--type', '--socket-path')}
        assert helped <= options_of(text), helped - options_of(text)
    for verb in VERBS:
        assert verb in text


def test_version():
    assert re.fullmatch(r'vgpuctl \d+\.\d+\.\d+\n', run(CTL, '--version').stdout)


@pytest.mark.parametrize('arguments, phrase', [
    ([], 'a verb is missing'),
    (['frobnicate'], "no verb 'frobnicate'"),
    (['--frobnicate'], 'frobnicate'),
    (['info', '--frobnicate'], 'frobnicate'),
    (['info', 'desk', 'all'], "'all'"),
    (['list', 'all'], "'all'"),
    (['-c', 'x', 'list'], '--vgpud'),
    (['-c', 'x', 'info', 'desk'], '--vgpud'),
    (['-o', 'xml', 'list'], '--output'),
    (['list', '-o', ''], '--output'),
    (['info'], 'VGPU_CONTROL_PATH'),
    (['-c', 'x', 'screenshot'], '-o FILE'),
    (['-c', 'x', 'screenshot', '-o', 'x', '--plane', '9'], 'from 0 to 3'),
    (['-c', 'x', 'screenshot', '-o', 'x', '--plane', '-1'], 'from 0 to 3'),
    (['-c'], 'c'),
    (['-c', 'x', '-t', '0', 'info'], '--timeout'),
    (['-c', 'x', 'info', '--timeout=soon'], '--timeout'),
    (['-c', 'x', 'info', '-t', '1e9'], '--timeout'),
])
def test_wrong_command_lines(arguments, phrase):
    done = run(CTL, *arguments)
    assert done.returncode == 2 and phrase in done.stderr and not done.stdout


def test_info(device):
    text = device.ctl('info')
    assert text.returncode == 0
    assert re.search(r'^type +bochs-16m$', text.stdout, re.M)
    assert re.search(r'^client +none$', text.stdout, re.M)
    client = device.attach()
    assert re.search(rf'^client +pid {os.getpid()}, uid {os.getuid()}$', device.ctl('info').stdout, re.M)
    client.close()
    info = json.loads(device.ctl('info', '--json').stdout)
    assert info['type'] == 'bochs-16m' and info['socket'] == str(device.socket)


def test_the_socket_may_come_from_the_environment(device):
    done = run(CTL, 'info', env={'VGPU_CONTROL_PATH': str(device.control)})
    assert done.returncode == 0 and 'bochs-16m' in done.stdout


def test_stats(device):
    client = device.attach()
    client.region_read(7, 0, 4)
    with pytest.raises(Exception):
        client.region_read(99, 0, 4)
    text = device.ctl('stats').stdout
    assert re.search(r'^ +2  region_read \(1 answered with an error\)$', text, re.M)
    assert re.search(r'^ +4  bytes read by messages$', text, re.M)
    assert json.loads(device.ctl('--json', 'stats').stdout)['requests']['region_read'] == 2
    client.close()


def test_screenshot(device, tmp_path):
    target = tmp_path / 'screen.png'
    target.write_text('what was there before')
    with Screen(device, 333, 222) as screen:
        seen = screen.draw()
        done = device.ctl('screenshot', '-o', target)
        assert done.returncode == 0 and '333x222' in done.stdout, done.stderr
        assert png.decode(target.read_bytes()) == (333, 222, seen)
        report = json.loads(device.ctl('screenshot', '--output', target, '--json').stdout)
        assert (report['file'], report['width'], report['height']) == (str(target), 333, 222)
        piped = subprocess.run([CTL, '-c', device.control, 'screenshot', '-o', '-'], capture_output=True,
                               timeout=20, check=True)
        assert png.decode(piped.stdout) == (333, 222, seen)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['control.sock', 'log', 'screen.png', 'vgpu.sock']


def test_a_screenshot_that_fails_leaves_the_file_alone(device, tmp_path):
    target = tmp_path / 'screen.png'
    target.write_text('precious')
    done = device.ctl('screenshot', '-o', target)
    assert done.returncode == 1 and 'plane 0 is off' in done.stderr
    with Screen(device, 320, 200):
        done = device.ctl('screenshot', '-o', target, '-p', '1')
        assert done.returncode == 1 and 'plane 1 is off' in done.stderr
        done = device.ctl('screenshot', '-o', tmp_path / 'no' / 'such' / 'x.png')
        assert done.returncode == 1 and 'No such file' in done.stderr
        done = device.ctl('screenshot', '-o', '/dev/full')
        assert done.returncode == 1 and 'No space' in done.stderr
    assert target.read_text() == 'precious'


def test_nobody_there(tmp_path, device):
    def info(path):
        done = run(CTL, '--control-path', path, 'info')
        assert done.returncode == 3 and str(path) in done.stderr
        return done.stderr

    assert 'no such socket' in info(tmp_path / 'nothing')
    assert '107 bytes' in info('/' + 'x' * 120)
    assert 'the one for the VMM' in info(device.socket)
    device.process.kill()
    device.process.wait()
    assert 'has ended' in info(device.control)
    device.process.returncode = 0  # killed on purpose


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can become another user')
def test_somebody_elses_socket(device, tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    done = run(CTL, '--control-path', device.control, 'info', user=65534, group=65534)
    assert done.returncode == 3 and 'permission denied' in done.stderr


def test_one_that_hangs(device):
    device.process.send_signal(signal.SIGSTOP)
    try:
        done = run(CTL, '--control-path', device.control, 'info', '--timeout', '0.2')
        assert done.returncode == 3 and 'does not answer' in done.stderr
    finally:
        device.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize('answer, status, phrase', [
    (b'', 3, 'hung up'),
    (b'HTTP/1.1 400 Bad Request\r\n\r\n\0', 3, 'does not speak varlink'),
    (b'{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"x"}}\0', 1, 'another version'),
    (b'{"error":"org.varlink.service.PermissionDenied"}\0', 1, 'permission denied'),
    (b'{"error":"org.example.Odd","parameters":{}}\0', 1, 'org.example.Odd'),
    (b'{"error":"x.Y","parameters":{"message":"bad \\u001b[31m news"}}\0', 1, 'bad ?[31m news'),
], ids=['nothing', 'another protocol', 'an old server', 'a refusal', 'an unknown error', 'escapes'])
def test_strange_servers(tmp_path, answer, status, phrase):
    with Fake(tmp_path / 's', answer):
        done = run(CTL, '--control-path', tmp_path / 's', 'info')
    assert done.returncode == status and phrase in done.stderr
    assert '\x1b' not in done.stderr


def test_names_are_not_printed_raw(tmp_path):
    name = 'a\\u001b]0;x\\u0007\\u009b2J\\u202eb'
    answer = f'{{"parameters":{{"uuid":"{name}","type":"{name}","driver":{{"name":"{name}"}}}}}}\0'.encode()
    with Fake(tmp_path / 's', answer):
        done = run(CTL, '--control-path', tmp_path / 's', 'info')
    assert done.returncode == 0 and 'a?]0;x??2J?b' in done.stdout
    counts = f'{{"parameters":{{"requests":{{"{name}":1}}}}}}\0'.encode()
    with Fake(tmp_path / 't', counts):
        done = run(CTL, '--control-path', tmp_path / 't', 'stats')
    assert done.returncode == 0 and '\x1b' not in done.stdout and '\x9b' not in done.stdout


@pytest.mark.parametrize('reply', [
    {'generation': 1, 'description': 0, 'files': [], 'planes': []},
    {'generation': 1, 'description': 7, 'files': [], 'planes': []},
    {'description': -1},
    {},
    {'description': {}, 'files': {}},
])
def test_a_display_that_makes_no_sense(tmp_path, reply):
    answer = json.dumps({'parameters': reply}).encode() + b'\0'
    with Fake(tmp_path / 's', answer):
        done = run(CTL, '--control-path', tmp_path / 's', 'screenshot', '-o', tmp_path / 'x.png')
    assert done.returncode == 1 and 'makes no sense' in done.stderr
    assert not (tmp_path / 'x.png').exists()


def test_a_device_can_be_asked_while_a_vmm_draws(tmp_path):
    with Device(tmp_path) as device, Screen(device, 64, 64) as screen:
        for _ in range(5):
            screen.draw()
            assert device.ctl('screenshot', '-o', tmp_path / 'x.png').returncode == 0
