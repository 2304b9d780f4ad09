# SPDX-License-Identifier: MIT
"""The verbs of vgpuctl that ask vgpud: what they ask, what they print, what they say.

vgpud itself is stood in for, so that every answer can be had.
"""
import json
import mmap
import os
import pty
import re
import socket
import subprocess
import threading
import xml.etree.ElementTree as tree

import pytest
from conftest import BUILD, CTL, SANITIZED, Device, eventually, run
from manager import UUID, Manager, instance

TYPES = [{'parent': 'software', 'name': 'bochs-16m', 'description': 'A small screen', 'vram': 16 << 20,
          'shares': 100, 'xres': 1024, 'yres': 768, 'available': 7},
         {'parent': 'software', 'name': 'bochs-64m', 'description': 'A larger one', 'vram': 64 << 20,
          'shares': 100, 'xres': 0, 'yres': 0, 'available': 0}]
PARENT = {'name': 'software', 'driver': 'bochs', 'description': 'Software', 'vram': 1 << 30, 'vram_used': 48 << 20,
          'max_instances': 64, 'instances': 3, 'shares': 6400, 'shares_used': 300, 'error': None}


@pytest.fixture
def ask(tmp_path):
    """ask(table, argument...): vgpuctl's end, and the calls it has made."""
    count = iter(range(100))

    def ask(table, *arguments, **options):
        path = tmp_path / f'v{next(count)}'
        with Manager(path, table) as manager:
            done = run(CTL, '--vgpud', path, *arguments, **options)
            assert '\x1b' not in done.stdout + done.stderr
            return done, manager.calls
    return ask


def test_types(ask):
    done, calls = ask({'ListTypes': {'types': TYPES}}, 'types', '--parent', 'software')
    assert calls == [('ListTypes', {'parent': 'software'})]
    head, first, second = done.stdout.splitlines()
    assert head.split() == ['TYPE', 'PARENT', 'FREE', 'MEMORY', 'SCREEN', 'DESCRIPTION']
    assert first.split() == ['bochs-16m', 'software', '7', '16', 'MiB', '1024x768', 'A', 'small', 'screen']
    assert second.split()[2:6] == ['0', '64', 'MiB', '-']
    assert first.index('A small') == second.index('A larger') == head.index('DESCRIPTION')
    for words in (['types', '-o', 'json'], ['--json', 'types'], ['--output=json', 'types']):
        done, _ = ask({'ListTypes': {'types': TYPES}}, *words)
        assert json.loads(done.stdout) == {'types': TYPES}
    done, _ = ask({'ListTypes': {'types': TYPES}}, 'types', '-q')
    assert done.stdout == 'bochs-16m\nbochs-64m\n'
    done, _ = ask({'ListTypes': {'types': [{**TYPES[0], 'problem': 'a long story'}]}}, 'types')
    assert done.stdout.endswith(" its parent has failed: see 'vgpuctl parents'\n")


def test_parents(ask):
    broken = {**PARENT, 'name': 'card', 'error': 'no such device'}
    done, _ = ask({'ListParents': {'parents': [PARENT, broken]}}, 'parents')
    assert '3 of 64' in done.stdout and '48 MiB of 1 GiB' in done.stdout and '300 of 6400' in done.stdout
    assert done.stdout.splitlines()[2].endswith('no such device')
    shared = {**PARENT, 'state': 'running'}
    done, _ = ask({'ListParents': {'parents': [PARENT, shared]}}, 'parents')
    head, first, second = done.stdout.splitlines()
    at = head.index('PROCESS')
    assert first[at] == '-' and second[at:].startswith('running ')


def test_list(ask):
    other = instance(uuid='a' * 36, label='desk', state='attached', client={'pid': 4711, 'uid': 1000})
    table = {'List': {'instances': [instance(), other]}}
    done, _ = ask(table, 'list')
    _, first, second = done.stdout.splitlines()
    assert first.split() == [UUID, '-', 'bochs-16m', 'software', 'defined', '-', '-']
    assert second.split()[1] == 'desk' and second.split()[5] == '4711'
    assert ask(table, 'list', '--quiet')[0].stdout == f'{UUID}\n{"a" * 36}\n'
    assert json.loads(ask(table, 'list', '-o', 'json')[0].stdout)['instances'][1]['client']['pid'] == 4711
    done, _ = ask({'List': {'instances': []}}, 'list')
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1


def test_show(ask):
    one = instance(label='desk', state='failed', reason='it died', worker=12, restarts=3)
    done, calls = ask({'Show': {'instance': one}}, 'show', 'desk')
    assert calls == [('Show', {'name': 'desk'})]
    for name, value in (('uuid', UUID), ('label', 'desk'), ('state', 'failed'), ('reason', 'it died'),
                        ('memory', '16 MiB'), ('autostart', 'no'), ('worker', '12'), ('restarts', '3')):
        assert re.search(rf'^{name} +{value}$', done.stdout, re.M), name
    assert json.loads(ask({'Show': {'instance': one}}, 'show', 'desk', '-o', 'json')[0].stdout) == one


@pytest.mark.parametrize('words, call', [
    (['define', 'bochs-16m'], ('Define', {'type': 'bochs-16m'})),
    (['define', 'bochs-16m', '-u', UUID, '-l', 'desk', '-a', '--policy', 'stop'],
     ('Define', {'type': 'bochs-16m', 'uuid': UUID, 'label': 'desk', 'autostart': True, 'policy': 'stop'})),
    (['create', '--transient', 'bochs-16m', '--parent=software'],
     ('Create', {'type': 'bochs-16m', 'parent': 'software', 'transient': True})),
    (['start', '5f0c'], ('Start', {'name': '5f0c'})),
    (['stop', 'desk'], ('Stop', {'name': 'desk'})),
    (['stop', 'desk', '--force'], ('Stop', {'name': 'desk', 'force': True})),
    (['remove', '-f', 'desk'], ('Remove', {'name': 'desk', 'force': True})),
    (['modify', 'desk', '--autostart', 'no', '--label', ''],
     ('Modify', {'name': 'desk', 'autostart': False, 'label': ''})),
    (['modify', 'desk', '--type', 'bochs-64m', '--policy', 'fail'],
     ('Modify', {'name': 'desk', 'type': 'bochs-64m', 'policy': 'fail'})),
    (['start', '--', '--odd'], ('Start', {'name': '--odd'})),
    (['create', 'x', '-w', '300', '--cap', '50'], ('Create', {'type': 'x', 'weight': 300, 'cap': 50})),
    (['modify', 'desk', '--weight', '0'], ('Modify', {'name': 'desk', 'weight': 0})),
])
def test_a_life(ask, words, call):
    answer = {} if words[0] in ('stop', 'remove') else {'instance': instance()}
    done, calls = ask({call[0]: answer}, *words)
    assert done.returncode == 0 and not done.stderr and calls == [call]
    if answer:
        assert UUID in done.stdout
    else:
        assert not done.stdout
    done, _ = ask({call[0]: answer}, '-o', 'json', *words)
    assert json.loads(done.stdout) == (instance() if answer else {})


def test_several_at_once(ask):
    table = {'Remove': lambda p: ('NoSuchInstance', p) if p['name'] == 'b' else {},
             'Start': lambda p: {'instance': instance(uuid=p['name'] * 36)}}
    done, calls = ask(table, 'remove', 'a', 'b', 'c', '--force')
    assert [c[1] for c in calls] == [{'name': n, 'force': True} for n in 'abc']
    assert done.returncode == 4 and done.stderr.count('\n') == 1 and "'b'" in done.stderr, 'the others are removed'
    done, _ = ask(table, 'start', 'a', 'c')
    assert done.stdout.split() == ['a' * 36, 'c' * 36] and done.returncode == 0


@pytest.mark.parametrize('words, phrase', [
    (['define'], 'TYPE is missing'), (['create'], 'TYPE is missing'), (['show'], 'NAME is missing'),
    (['start'], 'NAME'), (['stop'], 'NAME'), (['remove'], 'NAME'), (['modify'], 'NAME'), (['log'], 'NAME'),
    (['attach-args'], 'NAME'), (['import'], 'FILE'), (['modify', 'desk'], 'what is to be changed'),
    (['modify', 'desk', '--autostart', 'perhaps'], 'yes|no'), (['define', 'x', '--policy', 'hope'], 'restart|stop|fail'),
    (['define', 'x', '--policy', ''], 'restart|stop|fail'), (['define', 'x', '--transient'], 'transient'),
    (['attach-args', 'desk'], 'one of --qemu'), (['attach-args', 'desk', '--qemu', '--qmp'], 'one of --qemu'),
    (['attach-args', 'desk', '--qemu', '--memory', '4G,share=off'], '--memory'),
    (['attach-args', 'desk', '--qemu', '--memory', 'lots'], '--memory'),
    (['events', '--count', '0'], '--count'), (['events', '--after', 'now'], '--after'),
    (['log', 'desk', '--lines', '-3'], '--lines'), (['top', '--delay', '0'], '--delay'),
    (['top', '--delay', 'nan'], '--delay'), (['modify', 'a', 'b', '-l', 'x'], "'b'"), (['list', '--type'], "no option '--type'"),
    (['list', '--f\x1b[31m'], "no option '--f?[31m'"), (['list', '-q\x1b'], "no option '-?'"),
    (['create', '--p', 'x'], 'several options begin with --p'), (['create', '-l'], '-l: its value is missing'),
    (['create', 'x', '--weight', 'much'], '--weight: a number'), (['create', 'x', '-w', '10001'], '10000'),
    (['modify', 'x', '--cap', '101'], '--cap: a number'), (['modify', 'x', '--cap', '-1'], '--cap: a number'),
    (['list', '--timeout'], '--timeout: its value is missing'), (['list', '--quiet=3'], 'takes no value'),
])
def test_wrong_command_lines_ask_nobody(ask, words, phrase):
    done, calls = ask({}, *words)
    assert done.returncode == 2 and phrase in done.stderr and not done.stdout and not calls


@pytest.mark.parametrize('error, parameters, status, phrase', [
    ('NoSuchInstance', {'name': 'desk'}, 4, "no vGPU 'desk'"), ('NoSuchInstance', {'name': 'DE'}, 4, '4 digits'),
    ('NoSuchType', {'type': 'big'}, 4, "no type 'big'"),
    ('NoSuchParent', {'parent': 'p'}, 4, "no parent 'p'"),
    ('AmbiguousName', {'name': '5f', 'matches': ['5f01', '5f02']}, 4, '5f02'),
    ('AmbiguousName', {'name': '5f', 'matches': [f'5f{i}' for i in range(100)]}, 4, 'and 92 more'),
    ('InvalidName', {'message': 'that is no UUID', 'errno': 22}, 1, 'that is no UUID'),
    ('Exists', {'message': 'there is one', 'errno': 17}, 1, 'there is one'),
    ('Exhausted', {'message': 'no room', 'errno': 87}, 1, 'no room'),
    ('Attached', {'uuid': UUID, 'pid': 4711}, 1, '4711'),
    ('WrongState', {'uuid': UUID, 'state': 'active'}, 1, "'vgpuctl stop'"),
    ('WrongState', {'uuid': UUID, 'state': 'defined'}, 1, "'vgpuctl start'"),
    ('Failed', {'message': 'disk \x1b[31mfull'}, 1, 'disk ?[31mfull'),
    ('NewerError', {}, 1, 'NewerError'),
    ('org.varlink.service.InvalidParameter', {'parameter': 'uuid'}, 1, "'uuid'"),
    ('org.varlink.service.MethodNotFound', {'method': 'x'}, 1, 'another version'),
    ('org.varlink.service.PermissionDenied', {}, 1, 'permission denied'),
])
@pytest.mark.parametrize('verb, method', [('start', 'Start'), ('create', 'Create'), ('show', 'Show')])
def test_refusals(ask, verb, method, error, parameters, status, phrase):
    done, _ = ask({method: (error, parameters)}, verb, 'desk')
    assert done.returncode == status and phrase in done.stderr and not done.stdout


@pytest.mark.parametrize('verb', [['list'], ['show', 'x'], ['create', 'x'], ['events'], ['info', 'x'], ['metrics'],
                                  ['attach-args', 'x', '--qemu'], ['top'], ['log', 'x']])
def test_no_vgpud(tmp_path, verb):
    done = run(CTL, *verb, '--vgpud', tmp_path / 'none')
    assert done.returncode == 3 and 'vgpud does not run' in done.stderr
    done = run(CTL, *verb, env={'VGPUD_CONTROL': str(tmp_path / 'none')})
    assert done.returncode == 3 and str(tmp_path / 'none') in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can become another user')
def test_where_vgpud_is_by_default(tmp_path):
    run_dir = {'XDG_RUNTIME_DIR': str(tmp_path)}
    assert run(CTL, 'list', env=run_dir).stderr.startswith('vgpuctl: /run/vgpud/control.sock: ')
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with Manager(tmp_path / 'closed', {}):
        (tmp_path / 'closed').chmod(0o600)
        done = run(CTL, '--vgpud', tmp_path / 'closed', 'list', user=65534, group=65534)
        assert done.returncode == 3 and 'permission denied' in done.stderr
        done = run(CTL, '--vgpud', tmp_path / 'closed', 'doctor', '-o', 'json', user=65534, group=65534)
        (found,) = [f for f in json.loads(done.stdout)['findings'] if f['check'] == 'vgpud']
        assert 'may not use' in found['message'] and 'as root' in found['remedy']
    other = run(CTL, 'list', env=run_dir, user=65534, group=65534)
    assert f'vgpuctl: {tmp_path}/vgpud/control.sock: ' in other.stderr


def test_nothing_is_printed_raw(ask):
    name = 'a\x1b]0;x\x07\u009b2J\u202eb'
    one = instance(label=name, type=name, reason=name)
    for words, method, answer in (
            (['list'], 'List', {'instances': [one]}), (['show', 'x'], 'Show', {'instance': one}),
            (['types'], 'ListTypes', {'types': [{**TYPES[0], 'name': name}]}),
            (['list', '-q'], 'List', {'instances': [{**one, 'uuid': name}]}),
            (['metrics'], 'Metrics', {'text': name}),
            (['top', '-d', '0.1'], 'List', {'instances': [one]})):
        done, _ = ask({method: answer}, *words)
        assert done.returncode == 0 and 'a?' in done.stdout
        assert not set(done.stdout) & set('\x1b\x07\u009b\u202e')
        done, _ = ask({method: answer}, *words, '-o', 'json')
        assert not set(done.stdout) & set('\x1b\x07\u009b\u202e')
        assert json.dumps(name)[1:-1].lower() in done.stdout.lower(), 'nothing is lost, either'


@pytest.mark.parametrize('answer', [{}, {'instances': 7}, {'instances': [7, None, {}, {'client': 3, 'uuid': []}]}])
def test_answers_that_make_no_sense(ask, answer):
    for verb in ('list', 'top', 'doctor'):
        done, _ = ask({'List': answer, 'Diagnose': {}, 'ListParents': answer}, verb, '-o', 'text')
        assert done.returncode in (0, 1), done.stderr


def test_events(ask):
    event = {'sequence': 8, 'time': 1700000000000000, 'kind': 'failed', 'uuid': UUID, 'label': 'de\x1bsk',
             'type': None, 'parent': None, 'message': 'it died'}
    stream = [{'sequence': 7}, {'sequence': 8, 'event': event}, {'sequence': 9, 'event': {**event, 'sequence': 9}}]
    done, calls = ask({'Subscribe': stream}, 'events', '--after', '7', '-n', '1', env={'TZ': 'UTC'})
    assert calls == [('Subscribe', {'after': 7})]
    assert done.stdout == f'     8 2023-11-14 22:13:20 failed    {UUID} (de?sk): it died\n'
    done, calls = ask({'Subscribe': stream}, 'events', '-o', 'json')
    assert [json.loads(line)['sequence'] for line in done.stdout.splitlines()] == [8, 9]
    assert calls == [('Subscribe', {})] and done.returncode == 0
    done, _ = ask({'Subscribe': [{'sequence': 7}, ('Failed', {'message': 'too many'})]}, 'events')
    assert done.returncode == 1 and 'too many' in done.stderr


def test_events_end_with_vgpud(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / 's'))
        listening.listen()
        ctl = subprocess.Popen([CTL, '--vgpud', tmp_path / 's', 'events'], stderr=subprocess.PIPE, text=True)
        peer, _ = listening.accept()
        assert b'Subscribe' in peer.recv(1000)
        peer.sendall(b'{"parameters":{"sequence":3},"continues":true}\0')
        peer.close()
        _, said = ctl.communicate(timeout=20)
    assert ctl.returncode == 3 and 'vgpud has ended' in said


def test_metrics(ask):
    done, _ = ask({'Metrics': {'text': 'vgpu_instances 3\nx 4\n'}}, 'metrics')
    assert done.stdout == 'vgpu_instances 3\nx 4\n'


def test_log(ask, tmp_path):
    table = {'Show': {'instance': instance(control=str(tmp_path / 'control.sock'))}}
    done, _ = ask(table, 'log', 'desk')
    assert done.returncode == 1 and str(tmp_path / 'log') in done.stderr
    (tmp_path / 'log').write_text('one\ntwo \x1b[31m\nthree\nfour')
    assert ask(table, 'log', 'desk')[0].stdout == 'one\ntwo ?[31m\nthree\nfour\n'
    assert ask(table, 'log', 'desk', '-n', '2')[0].stdout == 'three\nfour\n'
    assert ask(table, 'log', 'desk', '-n', '0')[0].stdout == ''
    done, _ = ask(table, 'log', 'desk', '-o', 'json', '-n', '1')
    assert json.loads(done.stdout) == {'line': 'four'}
    done, _ = ask({'Show': {'instance': instance()}}, 'log', 'desk')
    assert done.returncode == 1 and done.stderr


def test_a_log_is_followed(tmp_path):
    log = tmp_path / 'log'
    log.write_text('one\ntw')
    with Manager(tmp_path / 's', {'Show': {'instance': instance(control=str(tmp_path / 'c'))}}):
        ctl = subprocess.Popen([CTL, '--vgpud', tmp_path / 's', 'log', 'desk', '-f'], stdout=subprocess.PIPE, text=True)
        try:
            assert ctl.stdout.readline() == 'one\n'
            with open(log, 'a', encoding='utf-8') as f:
                f.write('o\n')
            assert ctl.stdout.readline() == 'two\n'
            log.rename(tmp_path / 'log.old')
            log.write_text('three\n')
            assert ctl.stdout.readline() == 'three\n'
        finally:
            ctl.kill()
            ctl.communicate()


def test_a_log_that_is_followed_ends_with_the_vgpu(tmp_path):
    log = tmp_path / 'log'
    log.write_text('one\n')
    known = {'instance': instance(control=str(tmp_path / 'c'))}
    there = threading.Event()
    there.set()

    def show(_):
        return known if there.is_set() else ('NoSuchInstance', {'name': UUID})
    with Manager(tmp_path / 's', {'Show': show}) as manager:
        ctl = subprocess.Popen([CTL, '--vgpud', tmp_path / 's', 'log', 'desk', '-f'], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
        assert ctl.stdout.readline() == 'one\n'
        # Stopped: it has no log, but may have one again.
        log.unlink()
        eventually(lambda: len(manager.calls) >= 2)
        log.write_text('two\n')
        assert ctl.stdout.readline() == 'two\n'
        # Removed, with the end of a line that never came.
        with open(log, 'a', encoding='utf-8') as f:
            f.write('the e')
        there.clear()
        log.unlink()
        out, err = ctl.communicate(timeout=60)
        assert out == 'the e\n' and err == f'# {UUID} was removed: no more follows\n' and ctl.returncode == 0


def test_attach_args(ask):
    odd = instance(state='active', socket='/run/it\'s "a" <path> & more/s')
    done, _ = ask({'Show': {'instance': odd}}, 'attach-args', 'desk', '--qemu', '--memory', '512M')
    words = subprocess.run(['/bin/sh', '-c', f'printf "%s\\n" {done.stdout}'], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    device = {'driver': 'vfio-user-pci', 'id': f'vgpu-{UUID}', 'socket': {'type': 'unix', 'path': odd['socket']}}
    assert words[:-1] == ['-m', '512M', '-object', 'memory-backend-memfd,id=vgpu-ram,size=512M,share=on',
                          '-machine', 'memory-backend=vgpu-ram', '-device']
    assert json.loads(words[-1]) == device and not done.stderr
    done, _ = ask({'Show': {'instance': odd}}, 'attach-args', 'desk', '--qemu', '-o', 'json')
    assert json.loads(json.loads(done.stdout)['arguments'][-1]) == device
    done, _ = ask({'Show': {'instance': odd}}, 'attach-args', 'desk', '--qmp', '--bus', 'rp1')
    assert json.loads(done.stdout) == {'execute': 'device_add', 'arguments': {**device, 'bus': 'rp1'}}
    assert 'share=on' in done.stderr
    done, _ = ask({'Show': {'instance': odd}}, 'attach-args', 'desk', '--libvirt')
    domain = tree.fromstring(f'<domain>{done.stdout}</domain>')
    assert domain.find('memoryBacking/access').get('mode') == 'shared'
    arguments = [a.get('value') for a in domain.iter('{http://libvirt.org/schemas/domain/qemu/1.0}arg')]
    assert arguments[0] == '-device' and json.loads(arguments[1]) == device
    done, _ = ask({'Show': {'instance': odd}}, 'attach-args', 'desk', '--libvirt', '-o', 'json')
    assert tree.fromstring(f"<domain>{json.loads(done.stdout)['xml']}</domain>").find('memoryBacking') is not None
    done, _ = ask({'Show': {'instance': instance()}}, 'attach-args', 'desk', '--qemu')
    assert "'vgpuctl start" in done.stderr and done.returncode == 0


def test_attach_args_of_several(ask):
    table = {'Show': lambda p: {'instance': instance(uuid=p['name'] * 36, socket=f'/run/{p["name"]}', state='active')}}
    for words in (['a', 'b', '--qemu'], ['a', '--qemu', 'b'], ['--qemu', '--', 'a', 'b']):
        done, calls = ask(table, 'attach-args', *words, '-o', 'json') if '--' not in words else \
            ask(table, '-o', 'json', 'attach-args', *words)
        assert calls == [('Show', {'name': 'a'}), ('Show', {'name': 'b'})]
        arguments = json.loads(done.stdout)['arguments']
        assert arguments.count('-m') == arguments.count('-object') == 1 and arguments.count('-device') == 2
    done, _ = ask(table, 'attach-args', 'a', 'b', '--qmp')
    assert [json.loads(line)['arguments']['socket']['path'] for line in done.stdout.splitlines()] == ['/run/a', '/run/b']
    done, _ = ask(table, 'attach-args', 'a', 'b', '--libvirt')
    assert done.stdout.count("value='-device'") == 2 and done.stdout.count('memoryBacking') == 2
    gone = {'Show': lambda p: ('NoSuchInstance', p) if p['name'] == 'b' else table['Show'](p)}
    done, _ = ask(gone, 'attach-args', 'a', 'b', '--qemu')
    assert done.returncode == 4 and not done.stdout and "'b'" in done.stderr


DUMP = [{'0000:00:02.0': [{UUID: {'mdev_type': 'i915-bochs-16m', 'start': 'auto', 'attrs': []}},
                          {'a' * 36: {'mdev_type': 'nvidia-35', 'start': 'manual', 'attrs': [{'x': 'y'}]}}]}]


def test_import(ask, tmp_path):
    table = {'ListTypes': {'types': TYPES}, 'Define': lambda p: {'instance': instance(uuid=p['uuid'])}}
    dump = tmp_path / 'dump.json'
    dump.write_text(json.dumps(DUMP))
    done, calls = ask(table, 'import', dump)
    assert calls[1:] == [('Define', {'type': 'bochs-16m', 'uuid': UUID, 'autostart': True})]
    assert done.returncode == 4 and "nobody here offers 'nvidia-35'" in done.stderr and UUID in done.stdout
    done, calls = ask(table, 'import', dump, '--type', 'bochs-64m', '--parent', 'software', '-o', 'json')
    assert done.returncode == 0 and [c[1]['type'] for c in calls[1:]] == ['bochs-64m'] * 2
    assert calls[1][1]['parent'] == 'software' and len(json.loads(done.stdout)['instances']) == 2
    assert 'attrs' in done.stderr
    _, calls = ask(table, 'import', dump, '--dry-run', '--type', 'bochs-64m')
    assert [c[0] for c in calls] == ['ListTypes']
    one = tmp_path / UUID
    one.write_text(json.dumps({'mdev_type': 'bochs-64m', 'start': 'manual', 'attrs': []}))
    _, calls = ask(table, 'import', one)
    assert calls[1:] == [('Define', {'type': 'bochs-64m', 'uuid': UUID})]
    exists = {**table, 'Define': ('Exists', {'message': 'it is there', 'errno': 17})}
    done, _ = ask(exists, 'import', one)
    assert done.returncode == 1 and 'it is there' in done.stderr


@pytest.mark.parametrize('text', ['', '{', '7', '{}', '[7]', '{"mdev_type":7}', '[{"p":[{"u":{}}]}]', '[' * 5000,
                                  '{"mdev_type":"x\\u0000y"}', '{}}'])
def test_import_of_nonsense(ask, tmp_path, text):
    (tmp_path / 'x').write_text(text)
    done, calls = ask({'ListTypes': {'types': TYPES}}, 'import', tmp_path / 'x')
    assert done.returncode in (1, 4) and done.stderr and not [c for c in calls if c[0] == 'Define']


def test_import_of_what_is_not_there(ask, tmp_path):
    done, _ = ask({}, 'import', tmp_path / 'x')
    assert done.returncode == 1 and 'No such file' in done.stderr


def doctor(ask, *arguments, instances=(), **table):
    done, _ = ask({'Diagnose': {'version': '1', 'pid': os.getpid(), 'problems': []}, 'ListParents': {'parents': [PARENT]},
                   'List': {'instances': list(instances)}, **table}, 'doctor', *arguments, '-o', 'json')
    findings = json.loads(done.stdout)['findings']
    bad = [f for f in findings if f['result'] == 'problem']
    assert done.returncode == (1 if bad else 0)
    return bad


def script(tmp_path, text):
    path = tmp_path / 'qemu'
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize('output, phrase', [
    ('echo QEMU emulator version 8.2.4', '10.1'), ('echo QEMU emulator version 10.0.0', '10.1'), ('echo hello', '--qemu'),
    ('case $1 in --version) echo QEMU emulator version 11.1.3;; *) echo unknown; exit 1;; esac', 'built with'),
    ('exit 1', '--qemu'), ('head -c 1000000 /dev/zero', 'install'),
])
def test_doctor_finds_a_bad_qemu(ask, tmp_path, output, phrase):
    bad = [f for f in doctor(ask, '--qemu', script(tmp_path, output)) if f['check'] == 'qemu']
    assert bad and phrase in bad[0]['remedy']


def test_doctor_is_content_with_a_good_qemu(ask, tmp_path):
    good = script(tmp_path, 'echo QEMU emulator version 11.1.3; echo "  socket=<str>"')
    assert not [f for f in doctor(ask, '--qemu', good) if f['check'] == 'qemu']


def test_doctor_finds_what_vgpud_knows(ask):
    bad = doctor(ask, Diagnose={'pid': os.getpid(), 'problems': ['a.conf:3: nonsense']},
                 instances=[instance(state='failed', reason='it died')],
                 ListParents={'parents': [{**PARENT, 'error': 'no driver'}]})
    text = ' '.join(f['message'] for f in bad)
    assert 'a.conf:3: nonsense' in text and 'it died' in text and 'no driver' in text
    assert any('no parent' in f['message'] for f in doctor(ask, ListParents={'parents': []}))


@pytest.mark.skipif(os.geteuid() != 0, reason='needs a folder of another user')
def test_doctor_finds_a_socket_that_vms_may_not_use(ask, tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    folder = tmp_path / 'inner'
    folder.mkdir(mode=0o700)
    (folder / 'sock').touch()
    (folder / 'sock').chmod(0o666)
    here = [instance(state='active', socket=str(folder / 'sock'))]

    def obstacle():
        return [f['message'] for f in doctor(ask, '--user', 'nobody', instances=here) if f['check'] == 'access']
    assert str(folder) in obstacle()[0]
    folder.chmod(0o711)
    assert not obstacle()
    (folder / 'sock').chmod(0o600)
    assert str(folder / 'sock') in obstacle()[0]
    bad = doctor(ask, '--user', 'no-such-user', instances=here)
    assert any('no-such-user' in f['message'] for f in bad)


def test_doctor_without_vgpud(tmp_path):
    done = run(CTL, '--vgpud', tmp_path / 'none', 'doctor')
    assert done.returncode == 1 and 'nobody answers' in done.stdout and '->' in done.stdout
    assert re.search(r'^\d+ problems?, \d+ warnings?$', done.stdout, re.M)


def test_doctor_sees_how_a_clients_memory_is(ask, device):
    one = instance(state='attached', client={'pid': os.getpid(), 'uid': 0}, control=str(device.control),
                   socket=str(device.socket))
    file = os.memfd_create('ram')
    os.truncate(file, 1 << 20)
    memory = mmap.mmap(file, 1 << 20, flags=mmap.MAP_PRIVATE)
    client = device.attach()
    client.dma_map(0, 1 << 20, file)
    bad = [f for f in doctor(ask, instances=[one]) if f['check'] == 'memory']
    assert 'privately' in bad[0]['message'] and 'share=on' in bad[0]['remedy']
    memory.close()
    memory = mmap.mmap(file, 1 << 20)
    assert not [f for f in doctor(ask, instances=[one]) if f['check'] == 'memory']
    client.close()
    client = device.attach()
    client.dma_map(0, 1 << 20)
    bad = [f for f in doctor(ask, instances=[one]) if f['check'] == 'memory']
    assert 'does not share' in bad[0]['message']
    client.close()
    memory.close()
    os.close(file)


@pytest.mark.skipif(os.geteuid() != 0 or SANITIZED, reason='only root can become another user, and a sandbox is needed')
def test_doctor_says_what_it_may_not_see(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with Device(tmp_path, '--sandbox', 'auto') as device:
        device.control.chmod(0o666)
        one = instance(state='attached', client={'pid': os.getpid(), 'uid': 0}, control=str(device.control))
        client = device.attach()
        file = os.memfd_create('ram')
        os.truncate(file, 1 << 20)
        memory = mmap.mmap(file, 1 << 20)
        client.dma_map(0, 1 << 20, file)
        with Manager(tmp_path / 'm', {'Diagnose': {'pid': os.getpid()}, 'List': {'instances': [one]},
                                      'ListParents': {'parents': [PARENT]}}):
            (tmp_path / 'm').chmod(0o666)
            for user, result in ((65534, 'warning'), (0, 'ok')):
                done = run(CTL, '--vgpud', tmp_path / 'm', 'doctor', '-o', 'json', user=user, group=user)
                found = [f for f in json.loads(done.stdout)['findings'] if f['check'] == 'memory']
                assert [f['result'] for f in found] == [result], found
        client.close()
        memory.close()
        os.close(file)


def busy(device):
    return instance(label='desk', state='attached', worker=device.process.pid, control=str(device.control),
                    client={'pid': os.getpid(), 'uid': 0})


def test_top_once(ask, device):
    client = device.attach()
    table = {'List': lambda _: ([client.region_read(7, 0, 4) for _ in range(100)],
                                {'instances': [instance(uuid='a' * 36), busy(device)]})[1]}
    done, _ = ask(table, 'top', '--delay', '0.2')
    head, first, second = done.stdout.splitlines()
    assert head.split() == ['VGPU', 'TYPE', 'STATE', 'MMIO/S', 'IRQ/S', 'ENGINE', 'MAPPED', 'PINNED', 'CLIENT']
    assert first.split()[0] == 'desk' and first.split()[-1] == str(os.getpid())
    assert 0 < int(first.split()[3]) and second.split()[3] == '-'
    done, _ = ask(table, 'top', '--once', '-o', 'json', '-d', '0.2')
    assert json.loads(done.stdout)['vgpus'][0]['accesses_per_second'] > 0
    client.close()


def test_top_shows_who_has_the_engines(ask, tmp_path):
    table = {'List': {'instances': [instance(uuid=c * 36, worker=1, control=str(tmp_path / c)) for c in 'ab']}}
    stats = {'requests': {}, 'interrupts': {}, 'dma': {}}
    idle, busy_one = {'Stats': {**stats, 'engines': [7, 9]}}, iter(range(0, 10 ** 12, 10 ** 9))
    with Manager(tmp_path / 'a', idle, 'io.vgpud.Device.'), \
            Manager(tmp_path / 'b', {'Stats': lambda _: {**stats, 'engines': [5, next(busy_one)]}}, 'io.vgpud.Device.'):
        done, _ = ask(table, 'top', '-d', '0.2', '-o', 'json')
        first, second = json.loads(done.stdout)['vgpus']
        assert first['uuid'][0] == 'b' and first['engines'][0] == 0 < 0.1 < first['engines'][1] and second['engines'] == [0, 0]
        done, _ = ask(table, 'top', '-d', '0.2')
        assert re.search(r'^b{36} .* 0\.0/[1-9][0-9.]+ % ', done.stdout, re.M), done.stdout
    with Manager(tmp_path / 'c', {'Stats': {**stats, 'engines': 'many'}}, 'io.vgpud.Device.'):
        done, _ = ask({'List': {'instances': [instance(worker=1, control=str(tmp_path / 'c'))]}}, 'top', '-d', '0.1', '-o', 'json')
        assert json.loads(done.stdout)['vgpus'][0]['engines'] == []


def test_top_does_not_wait_for_one_that_hangs(ask, device, tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / 'silent'))
        silent.listen()
        hung = instance(uuid='a' * 36, state='active', worker=1, control=str(tmp_path / 'silent'))
        done, _ = ask({'List': {'instances': [hung, busy(device)]}}, 'top', '-d', '0.1', '-t', '1000')
    _, first, second = done.stdout.splitlines()
    assert first.split()[0] == 'desk' and second.split()[3:6] == ['-', '-', '-']


def test_top_on_a_terminal(tmp_path, device):
    others = [instance(), instance(uuid='a' * 36, label='l' * 60)]
    with Manager(tmp_path / 's', {'List': {'instances': [busy(device), *others]}}):
        master, slave = pty.openpty()
        ctl = subprocess.Popen([CTL, '--vgpud', tmp_path / 's', 'top', '-d', '0.1'], stdin=slave, stdout=slave,
                               stderr=slave, env={**os.environ, 'TERM': 'xterm', 'LINES': '24', 'COLUMNS': '80'})
        os.close(slave)
        seen = b''
        while UUID[:8].encode() not in seen:
            seen += os.read(master, 4096)
        os.write(master, b'q')
        try:
            while os.read(master, 4096):
                pass
        except OSError:
            pass  # its end
        assert ctl.wait(20) == 0 and b'MMIO/S' in seen and b'3 vGPUs, 1 run' in seen
        # Names are cut, not what is behind them.
        assert b'desk' in seen and UUID[:8].encode() in seen and b'l' * 60 not in seen and UUID.encode() not in seen
        os.close(master)


def test_info_and_stats_by_name(ask, device):
    table = {'Show': {'instance': instance(control=str(device.control), worker=1)}}
    done, calls = ask(table, 'info', '5f0c')
    assert re.search(r'^type +bochs-16m$', done.stdout, re.M) and calls == [('Show', {'name': '5f0c'})]
    assert 'requests' in json.loads(ask(table, 'stats', 'desk', '-o', 'json')[0].stdout)
    done, _ = ask({'Show': {'instance': instance(control='')}}, 'stats', 'desk')
    assert done.returncode == 1 and 'does not run' in done.stderr
    done, _ = ask({'Show': {'instance': instance(control='/' + 'x' * 300, worker=1)}}, 'stats', 'desk')
    assert done.returncode == 1


BASH = '''. {file}
vgpuctl() {{ {ctl} --vgpud {sock} "$@"; }}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _vgpuctl; printf '%s\\n' "${{COMPREPLY[@]}}"'''


@pytest.mark.parametrize('words, some', [
    (['sta'], {'start', 'stats'}), (['--json', 'mod'], {'modify'}), (['define', 'x', '--pol'], {'--policy'}),
    (['define', 'x', '--policy', ''], {'restart', 'stop', 'fail'}), (['show', ''], {UUID}), (['create', 'bochs-6'], {'bochs-64m'}),
    (['-o', 'j'], {'json'}), (['screenshot', '--pl'], {'--plane'}), (['list', '--quiet', '-'], {'--json'}),
])
def test_bash_completes(tmp_path, words, some):
    with Manager(tmp_path / 's', {'List': {'instances': [instance()]}, 'ListTypes': {'types': TYPES}}):
        text = BASH.format(file=BUILD / 'completions' / 'vgpuctl', ctl=CTL, sock=tmp_path / 's',
                           words=' '.join(f"'{w}'" for w in ['vgpuctl', *words]))
        done = run('bash', '-c', text)
    assert done.returncode == 0 and not done.stderr and some <= set(done.stdout.split()), done
