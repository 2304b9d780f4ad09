# SPDX-License-Identifier: MIT
"""Configuration, permissions, full disks, many clients, being a service."""
import json
import os
import resource
import signal
import socket
import subprocess

import exposition
import pytest
from conftest import BUILD, IO, PATIENCE, TOP, VGPUD, eventually
from varlink import Client

SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'


def test_help_teaches():
    text = subprocess.run([VGPUD, '--help'], capture_output=True, text=True, check=True).stdout
    for word in ('--config-dir', 'SIGHUP', 'Example:', 'Exit status'):
        assert word in text


@pytest.mark.parametrize('arguments', [['--nix'], ['stray'], ['--log-level', 'loud'], ['--runtime-dir', '/' + 'x' * 80]])
def test_wrong_command_lines(arguments):
    result = subprocess.run([VGPUD, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert result.returncode == 2 and "Try 'vgpud --help'" in result.stderr


def test_a_bad_section_does_not_stop_the_rest(idle):
    idle.configure('# a comment\n[parent good]\ndriver = bochs\ntypes = bochs-1*\n\n'
                   '[parent bad]\ndriver = bochs\nvram = lots\n[parent worse]\nvram = 1G\n'
                   '[parent none]\ndriver = nix\n[parents x]\na = b\n[parent a/b]\ndriver = bochs\n'
                   '[vgpud]\nsocket-mode = 0999\ncolour = blue\n[parent good]\nvram = 1\nnonsense\n')
    idle.start()
    parents = {p['name']: p for p in idle.call('ListParents')['parents']}
    assert parents['good']['error'] is None
    assert {t['name'] for t in idle.call('ListTypes')['types']} == {'bochs-16m', 'bochs-128m'}
    path = idle.config / 'test.conf'
    assert parents['bad']['error'].startswith(f'{path}:8:')
    assert 'driver is missing' in parents['worse']['error']
    assert 'nix' in parents['none']['error']
    problems = '\n'.join(idle.call('Diagnose')['problems'])
    for line in (8, 14, 16, 18, 19):
        assert f'{path}:{line}:' in problems, (line, problems)
    idle.create(parent='good')


def test_reload(vgpud):
    one = vgpud.create()
    vgpud.configure('[parent other]\ndriver = bochs\nmax-instances = 3\n[type other/bochs-64m]\nmax-instances = 2\n')
    vgpud.process.send_signal(signal.SIGHUP)
    eventually(lambda: [p['name'] for p in vgpud.call('ListParents')['parents']] == ['other'])
    types = {t['name']: t['available'] for t in vgpud.call('ListTypes')['types']}
    assert (types['bochs-16m'], types['bochs-64m']) == (3, 2)
    assert vgpud.show(one['uuid'])['worker'] == one['worker']
    with vgpud.attach(one):
        vgpud.wait_state(one['uuid'], 'attached')


def test_full_disk(idle):
    """Files can't grow past a few bytes: what a full disk does to a definition."""
    idle.start()
    before = idle.create()
    limits = resource.prlimit(idle.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(idle.process.pid, resource.RLIMIT_FSIZE, (10, limits[1]))
    error, parameters = idle.refused('Define', type='bochs-16m', uuid=SOME)
    assert error == 'Failed' and str(idle.state) in parameters['message'], parameters
    assert idle.refused('Create', type='bochs-16m', uuid=SOME)[0] == 'Failed'
    assert not (idle.runtime / SOME).exists()
    error, parameters = idle.refused('Modify', name=before['uuid'], label='new')
    assert error == 'Failed'
    assert [i['uuid'] for i in idle.list()] == [before['uuid']]
    assert idle.show(before['uuid'])['label'] is None
    assert [p.name for p in idle.state.iterdir()] == [before['uuid'] + '.json']
    assert json.loads((idle.state / (before['uuid'] + '.json')).read_text())['label'] is None
    resource.prlimit(idle.process.pid, resource.RLIMIT_FSIZE, limits)
    idle.call('Define', type='bochs-16m', uuid=SOME)


def test_state_folder_that_cannot_be_written(vgpud):
    one = vgpud.create()
    moved = vgpud.state.with_name('moved')
    vgpud.state.rename(moved)
    vgpud.state.write_text('in the way')
    error, parameters = vgpud.refused('Create', type='bochs-16m')
    assert error == 'Failed' and str(vgpud.state) in parameters['message']
    assert vgpud.refused('Remove', name=one['uuid'])[0] == 'Failed'
    assert vgpud.show(one['uuid'])['state'] == 'active'
    vgpud.state.unlink()
    moved.rename(vgpud.state)
    assert len(vgpud.list()) == 1 == len(vgpud.workers())


def test_hundreds_of_connections(vgpud):
    clients = [vgpud.connect() for _ in range(300)]
    assert vgpud.create()['state'] == 'active'
    assert len(vgpud.list()) == 1
    for client in clients:
        client.close()


def test_a_client_that_never_reads(vgpud):
    for _ in range(20):
        vgpud.call('Define', type='bochs-16m')
    lazy = vgpud.connect()
    lazy.socket.setblocking(False)
    watcher = vgpud.connect()
    watcher.send({'method': IO + 'Subscribe', 'parameters': {}, 'more': True})
    call = json.dumps({'method': IO + 'List'}).encode() + b'\0'
    try:
        for _ in range(2000):
            lazy.socket.send(call)
    except OSError:
        pass
    for n in range(30):
        vgpud.call('Modify', name=vgpud.list()[0]['uuid'], label=f'label {n}')
    assert len(vgpud.list()) == 20
    lazy.close()
    watcher.close()


def test_depth_bombs_and_garbage(vgpud):
    for text in (b'[' * 60000, b'\0', b'{"method":' + b'{"a":' * 5000, b'\xff' * 100 + b'\0', b'x' * 100000):
        with vgpud.connect() as client:
            try:
                client.socket.sendall(text)
                client.socket.shutdown(socket.SHUT_WR)
                client.socket.recv(1)
            except OSError:
                pass
    assert vgpud.list() == []


def test_introspection(vgpud):
    with vgpud.connect() as client:
        info = client.call('org.varlink.service.GetInfo')
        assert 'io.vgpud.Manager' in info['interfaces']
        text = client.call('org.varlink.service.GetInterfaceDescription', interface='io.vgpud.Manager')['description']
    assert text == (TOP / 'src/control/io.vgpud.Manager.varlink').read_text()


def test_metrics(idle):
    path = idle.top / 'vgpu.prom'
    idle.configure(f'[vgpud]\nmetrics-file = {path}\n[parent p]\ndriver = bochs\n')
    idle.start()
    label = 'a "quoted" \\ label, \u00fc{x="y"} 1'
    uuid = idle.create(label=label)['uuid']
    idle.call('Define', type='bochs-32m')
    metrics = exposition.read(idle.call('Metrics')['text'])

    def value(name, **labels):
        return metrics[name][1][frozenset(labels.items())]
    assert value('vgpud_instances', state='active') == value('vgpud_instances', state='defined') == 1
    assert value('vgpud_parent_vram_used_bytes', parent='p') == 48 << 20
    assert value('vgpud_parent_instances', parent='p') == 2
    assert value('vgpud_type_available', parent='p', type='bochs-16m') > 100
    assert value('vgpud_instance_info', uuid=uuid, label=label, parent='p', type='bochs-16m') == 1
    assert value('vgpud_instance_restarts_total', uuid=uuid) == 0
    assert value('vgpud_instance_attached', uuid=uuid) == 0
    client = idle.attach(idle.show(uuid))
    idle.wait_state(uuid, 'attached')
    metrics = exposition.read(idle.call('Metrics')['text'])
    assert value('vgpud_instance_attached', uuid=uuid) == 1
    client.close()
    # The file for the node exporter is the same, and whole whenever it is there.
    eventually(path.exists)
    assert set(exposition.read(path.read_text(encoding='utf-8'))) == set(metrics)


def test_a_metrics_file_that_cannot_be(idle):
    """It is said, and that is all that happens."""
    idle.configure('[vgpud]\nmetrics-file = /proc/nowhere/vgpu.prom\n[parent p]\ndriver = bochs\n')
    idle.start()
    eventually(lambda: "metrics can't be written" in idle.log())
    assert idle.create()['state'] == 'active'


@pytest.mark.parametrize('text', [
    'a 1', '# TYPE a gauge\na 1\n', '# HELP a b\na 1\n', '# HELP a b\n# TYPE a gauge\na 1\na 2\n',
    '# HELP a b\n# TYPE a gauge\na{x="\\y"} 1\n', '# HELP a b\n# TYPE a counter\na 1\n', '# HELP a b\n# TYPE a gauge\nb 1\n',
    '# HELP a b\n# TYPE a gauge\na{x=1} 1\n', '# HELP a b\n# TYPE a gauge\na one\n', '# HELP a b\n# TYPE a gauge\n\na 1\n',
    '# HELP a b\n# TYPE a gauge\na 1\n# HELP c d\n# TYPE c gauge\nc 1\na{x="y"} 1\n'])
def test_the_reader_of_metrics_is_strict(text):
    exposition.read('# HELP a b\n# TYPE a gauge\na{x="\\n"} 1e+06\na 2\n')
    with pytest.raises(AssertionError):
        exposition.read(text)


def test_service_manager(idle):
    """READY=1, and a socket that was opened for us."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(idle.top / 'notify'))
    notify.settimeout(PATIENCE)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(idle.top / 'given'))
    listening.listen()
    fd = listening.fileno()
    script = f'import os; os.dup2({fd}, 3); os.environ["LISTEN_PID"] = str(os.getpid()); ' \
             f'os.execv({str(VGPUD)!r}, [{str(VGPUD)!r}, "--config-dir", {str(idle.config)!r}, ' \
             f'"--state-dir", {str(idle.state)!r}, "--runtime-dir", {str(idle.runtime)!r}])'
    with open(idle.log_path, 'ab') as log:
        idle.process = subprocess.Popen(['/usr/bin/python3', '-c', script], pass_fds=[fd], stdout=log, stderr=log,
                                        env={**os.environ, 'NOTIFY_SOCKET': str(idle.top / 'notify'),
                                             'LISTEN_FDS': '1'})
    assert notify.recv(100) == b'READY=1'
    with Client(idle.top / 'given') as client:
        one = client.call(IO + 'Create', type='bochs-16m')['instance']
        assert one['state'] == 'active'
        idle.process.send_signal(signal.SIGHUP)
        assert notify.recv(100) == b'RELOADING=1'
        assert notify.recv(100) == b'READY=1'
    assert idle.end() == 0
    assert notify.recv(100) == b'STOPPING=1'
    assert not (idle.runtime / 'control.sock').exists()


def test_the_loop_goes_on_while_workers_start(vgpud):
    """Answers come between the starts: nobody waits for all of them."""
    names = [f'00000000-0000-4000-8000-{n:012d}' for n in range(40)]
    starters = [vgpud.connect() for _ in names]
    with vgpud.connect() as client:
        for starter, name in zip(starters, names):
            starter.send({'method': IO + 'Create', 'parameters': {'type': 'bochs-16m', 'uuid': name}})
        counts = []
        while not counts or counts[-1] < len(names):
            counts.append(sum(i['state'] == 'active' for i in client.call(IO + 'List')['instances']))
    assert len(set(counts)) > 3, counts
    for starter in starters:
        assert 'error' not in starter.receive()
        starter.close()


@pytest.mark.skipif(os.geteuid() != 0, reason='other users can only be tried as root')
def test_who_may_do_what(idle):
    idle.configure('[vgpud]\ncontrol-mode = 0666\ncontrol-group = 4242\n[parent soft]\ndriver = bochs\n')
    idle.top.chmod(0o755)
    idle.start()

    def as_user(uid, groups, method, **parameters):
        code = ('import os, sys, json; sys.path.insert(0, {path!r}); from varlink import Client, VarlinkError\n'
                'os.setgroups({groups}); os.setgid({uid}); os.setuid({uid})\n'
                'try: print(json.dumps(Client({socket!r}).call({method!r}, **{parameters})))\n'
                'except VarlinkError as e: print(e.error)\n').format(
                    path=str(TOP / 'tests/programs'), groups=groups, uid=uid,
                    socket=str(idle.runtime / 'control.sock'), method=IO + method, parameters=parameters)
        return subprocess.run(['/usr/bin/python3', '-c', code], capture_output=True, text=True, check=True,
                              timeout=PATIENCE).stdout
    assert 'instances' in as_user(12345, [], 'List')
    assert 'PermissionDenied' in as_user(12345, [1, 2], 'Define', type='bochs-16m')
    assert 'instance' in as_user(12345, [1, 4242], 'Define', type='bochs-16m')
    assert idle.create()
    for method in ('Start', 'Stop', 'Remove'):
        assert 'PermissionDenied' in as_user(12345, [], method, name=SOME)


def test_the_default_configuration_works_untouched(idle):
    idle.configure((TOP / 'programs/vgpud/vgpud.conf').read_text())
    idle.start()
    assert idle.call('Diagnose')['problems'] == []
    assert idle.create()['state'] == 'active'
    idle.end()
    # and so does all that is commented out in it, but for groups
    text = '\n'.join(line[1:] if line[:1] == '#' and line[1:2].isalpha() and '-group' not in line
                     and '-socket' not in line and 'metrics' not in line or line.startswith('#[') else line
                     for line in (TOP / 'programs/vgpud/vgpud.conf').read_text().splitlines())
    idle.configure(text)
    idle.start()
    assert idle.call('Diagnose')['problems'] == []
    assert {t['name']: t['shares'] for t in idle.call('ListTypes')['types']}['bochs-256m'] == 32


def test_budgets_are_leased(idle):
    idle.configure('[vgpud]\npinned-limit = 1M\n[parent soft]\ndriver = bochs\n')
    idle.start()
    one, two = idle.create(), idle.create()
    assert idle.call('Budgets')['budgets'] == []
    with idle.attach(one):
        idle.wait_state(one['uuid'], 'attached')
        wanted = {'uid': os.geteuid(), 'pinned_limit': 1 << 20, 'pinned_leased': 1 << 20}
        assert idle.call('Budgets')['budgets'] == [wanted]
        with idle.attach(two):
            idle.wait_state(two['uuid'], 'attached')
            assert idle.call('Budgets')['budgets'] == [wanted]
    assert "can't be told" not in idle.log()


@pytest.mark.skipif('asan' in str(BUILD) or 'tsan' in str(BUILD), reason='programs with a sanitizer make no sandbox')
def test_a_degraded_sandbox_is_said_aloud(idle):
    """In the daemon's log for each, and once by Diagnose."""
    idle.configure(f'[parent t]\ndriver = {BUILD}/tests/programs/drivers/threaded.so\n[parent soft]\ndriver = bochs\n')
    idle.start()
    idle.create()
    assert 'degraded' not in idle.log() and idle.call('Diagnose')['problems'] == []
    ones = [idle.create('threaded') for _ in range(2)]
    problem, = idle.call('Diagnose')['problems']
    assert 'the sandbox is degraded' in problem and 'the driver has started threads of its own' in problem
    assert idle.log().count('the sandbox is degraded') == 2 and ones[1]['state'] == 'active'
