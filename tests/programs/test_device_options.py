# SPDX-License-Identifier: MIT
"""The command line of vgpu-device: what it says, and with which status it ends."""
import json
import re
import socket
import subprocess

import pytest
from conftest import BUILD, DEVICE, DRIVERS, TOP, run


def options_of(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text))


def manual(name):
    made = BUILD / 'man' / name  # from a table of the program's
    text = (made if made.exists() else TOP / 'man' / name).read_text(encoding='utf-8').replace(r'\-', '-')
    return re.sub(r'\\f[BIR]', ' ', text)


def test_help_explains_every_option():
    done = run(DEVICE, '--help')
    assert done.returncode == 0 and not done.stderr
    assert 'memory-backend-memfd' in done.stdout and 'share=on' in done.stdout, 'an example that works'
    source = (TOP / 'programs' / 'vgpu-device' / 'options.c').read_text(encoding='utf-8')
    there = {f'--{name}' for name in re.findall(r'^\t\{ (?:0|\'.\'), "([a-z-]+)",', source, re.M)}
    assert len(there) > 10
    assert there <= options_of(done.stdout)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_version():
    done = run(DEVICE, '--version')
    assert re.fullmatch(r'vgpu-device \d+\.\d+\.\d+\n', done.stdout) and done.returncode == 0


def test_capabilities_for_management_tools():
    done = run(DEVICE, '--print-capabilities')
    capabilities = json.loads(done.stdout)
    assert done.returncode == 0
    assert capabilities['type'] == 'gpu'
    for feature in capabilities['features']:
        assert f'--{feature}' in run(DEVICE, '--help').stdout


def test_types_as_a_table_and_as_json():
    table = run(DEVICE, '--list-types')
    listed = json.loads(run(DEVICE, '--list-types', '--json').stdout)
    assert table.returncode == 0
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == [t['name'] for t in listed]
    bochs = next(t for t in listed if t['name'] == 'bochs-64m')
    assert bochs['vram_size'] == 64 << 20
    assert bochs['driver'] == 'bochs' and bochs['description'] and bochs['xres'] >= 640


def test_where_drivers_are_looked_for(tmp_path):
    module = DRIVERS / 'bochs.so'
    empty, full = tmp_path / 'empty', tmp_path / 'full'
    empty.mkdir()
    full.mkdir()
    (full / 'one.so').symlink_to(module)
    (full / 'readme').write_text('no driver')

    def names(*arguments, **options):
        return {t['name'] for t in json.loads(run(DEVICE, '--list-types', '--json', *arguments, **options).stdout)}

    assert 'bochs-16m' in names('--driver-dir', full)
    assert 'bochs-16m' in names(env={'VGPU_DRIVER_DIR': str(full)})
    assert names('--driver-dir', empty, env={'VGPU_DRIVER_DIR': str(full)}) == set()
    assert 'bochs-16m' in names('--driver-dir', empty, '--driver', module)
    done = run(DEVICE, '--list-types', '--driver-dir', empty)
    assert done.returncode == 0 and f'there is no driver in {empty}' in done.stderr
    done = run(DEVICE, '--list-types', '--driver-dir', tmp_path / 'nowhere')
    assert done.returncode == 3 and 'nowhere' in done.stderr


WRONG = {
    'nothing at all': ([], '--type is missing'),
    'no socket': (['--type', 'bochs-16m'], '--socket-path'),
    'two sockets': (['--type', 'bochs-16m', '--socket-path', 'x', '--fd', '3'], 'exclude each other'),
    'one path for both': (['--type', 't', '--socket-path', 'x', '--control-path', 'x'], 'are the same'),
    'a mode for an inherited socket': (['--type', 't', '--fd', '3', '--socket-mode', '660'], '--socket-path'),
    'a mode that is none': (['--socket-mode', '899'], 'octal'),
    'a mode that is too much': (['--socket-mode', '1777'], 'octal'),
    'no such group': (['--socket-group', 'no-such-group-here'], 'no-such-group-here'),
    'a bad uuid': (['--uuid', '1234'], 'not a UUID'),
    'a negative fd': (['--fd', '-1'], '--fd -1'),
    'an fd with a tail': (['--fd', '3x'], '--fd 3x'),
    'an empty fd': (['--fd', ''], '--fd'),
    'a level': (['--log-level', 'loud'], 'warning'),
    'a format': (['--log-format', 'xml'], 'json'),
    'a word': (['bochs-16m'], "'bochs-16m'"),
    'an option': (['--frobnicate'], 'frobnicate'),
    'json without a list': (['--json', '--type', 't', '--socket-path', 'x'], '--list-types'),
    'too many drivers': (['--driver', 'x'] * 33, '32 times'),
}


@pytest.mark.parametrize('what', WRONG)
def test_wrong_command_lines(what):
    arguments, phrase = WRONG[what]
    done = run(DEVICE, *arguments)
    assert done.returncode == 2
    assert phrase in done.stderr
    assert "--help'" in done.stderr
    assert not done.stdout


def test_an_unknown_type(tmp_path):
    done = run(DEVICE, '--type', 'nonesuch', '--socket-path', tmp_path / 's')
    assert done.returncode == 3
    assert "no type 'nonesuch'" in done.stderr and 'bochs-16m, bochs-32m' in done.stderr
    assert not (tmp_path / 's').exists()


def test_names_with_escapes_are_not_printed_raw(tmp_path):
    done = run(DEVICE, '--type', 'a\x1b[31mb', '--socket-path', tmp_path / 's')
    assert done.returncode == 3
    assert '\x1b' not in done.stderr and 'a?[31mb' in done.stderr


def test_no_driver_at_all(tmp_path):
    done = run(DEVICE, '--type', 'bochs-16m', '--socket-path', tmp_path / 's', '--driver-dir', tmp_path)
    assert done.returncode == 3
    assert str(tmp_path) in done.stderr and '--driver' in done.stderr


@pytest.mark.parametrize('make, phrase', [
    (lambda p: None, 'No such file'),
    (lambda p: p.write_bytes(b''), 'loaded'),
    (lambda p: p.write_text('#!/bin/sh\n'), 'loaded'),
    (lambda p: p.symlink_to('/lib/x86_64-linux-gnu/libc.so.6'), 'not a vGPU driver'),
], ids=['missing', 'empty', 'a script', 'another library'])
def test_a_driver_that_is_none(tmp_path, make, phrase):
    driver = tmp_path / 'driver.so'
    make(driver)
    done = run(DEVICE, '--type', 'bochs-16m', '--socket-path', tmp_path / 's', '--driver', driver)
    assert done.returncode == 3
    assert phrase in done.stderr and 'driver.so' in done.stderr


def test_output_that_cannot_be_written():
    with open('/dev/full', 'w', encoding='utf-8') as full:
        for arguments in (['--print-capabilities'], ['--list-types'], ['--help']):
            done = subprocess.run([DEVICE, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=20, check=False)
            assert done.returncode == 1, arguments


def test_an_fd_that_is_not_open():
    done = run(DEVICE, '--type', 'bochs-16m', '--fd', '77')
    assert done.returncode == 4 and '--fd 77' in done.stderr


def test_an_fd_that_is_no_socket(tmp_path):
    with open(tmp_path / 'file', 'wb') as file:
        done = run(DEVICE, '--type', 'bochs-16m', '--fd', file.fileno(), pass_fds=[file.fileno()])
    assert done.returncode == 4 and 'not a UNIX stream socket' in done.stderr


def test_an_fd_of_another_family():
    with socket.socket(socket.AF_INET) as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        done = run(DEVICE, '--type', 'bochs-16m', '--fd', s.fileno(), pass_fds=[s.fileno()])
    assert done.returncode == 4 and 'not a UNIX stream socket' in done.stderr


def test_the_build_under_test_is_the_one_that_was_found():
    listed = json.loads(run(DEVICE, '--list-types', '--json').stdout)
    assert all(t['driver_path'].startswith(str(BUILD.resolve())) for t in listed)
