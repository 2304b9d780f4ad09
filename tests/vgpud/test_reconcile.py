# SPDX-License-Identifier: MIT
"""Whatever ends vgpud, and wherever: instances are whole or not there, and those that run run on."""
import json
import os
import signal

import pytest
from conftest import PATIENCE, eventually, runs
from varlink import Client

SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'
BYSTANDER = '11111111-2222-4333-8444-555555555555'

BEFORE_COMMIT = ['store-open', 'store-written', 'store-synced']
AFTER_COMMIT = ['store-renamed', 'store-done']
WORKER = ['create-begun', 'worker-begun', 'worker-folder', 'worker-record', 'worker-started', 'worker-ready']


def fails(daemon, step, method, **parameters):
    """vgpud, which is to be killed at @step, is asked for something that leads there."""
    daemon.end()
    daemon.start(env={'VGPUD_FAIL_AT': step})
    daemon.wait_state(BYSTANDER, 'active')
    client = Client(daemon.runtime / 'control.sock')
    client.send({'method': 'io.vgpud.Manager.' + method, 'parameters': parameters})
    assert daemon.process.wait(PATIENCE) == -signal.SIGKILL
    client.close()


def check_whole(daemon, present):
    """After a start all is in one of two states, and there is nothing besides."""
    daemon.start()
    names = [i['uuid'] for i in daemon.list()]
    assert names == sorted([BYSTANDER] + [SOME] * present)
    assert sorted(p.name for p in daemon.state.iterdir()) == [n + '.json' for n in names]
    for text in daemon.state.iterdir():
        json.loads(text.read_text())
    folders = {p.name for p in daemon.runtime.iterdir() if p.is_dir()}
    eventually(lambda: all(i['state'] in ('active', 'defined') for i in daemon.list()))
    running = [i for i in daemon.list() if i['worker']]
    assert folders == {i['uuid'] for i in running}
    eventually(lambda: sorted(daemon.workers()) == sorted(i['worker'] for i in running))


@pytest.fixture
def bystander(vgpud):
    """Another instance runs, and has a client, all the time."""
    one = vgpud.create(uuid=BYSTANDER)
    yield vgpud
    with vgpud.attach(one):
        assert vgpud.wait_state(BYSTANDER, 'attached')['worker'] == one['worker']


@pytest.mark.parametrize('step', BEFORE_COMMIT + AFTER_COMMIT)
def test_killed_while_defining(bystander, step):
    fails(bystander, step, 'Define', type='bochs-16m', uuid=SOME)
    check_whole(bystander, step in AFTER_COMMIT)


@pytest.mark.parametrize('step', WORKER + BEFORE_COMMIT + AFTER_COMMIT)
def test_killed_while_creating(bystander, step):
    fails(bystander, step, 'Create', type='bochs-16m', uuid=SOME)
    check_whole(bystander, step in AFTER_COMMIT)
    if step in AFTER_COMMIT:
        with bystander.attach(bystander.wait_state(SOME, 'active')):
            pass


@pytest.mark.parametrize('step', ['remove-begun', 'remove-unlinked', 'remove-done'])
def test_killed_while_removing(bystander, step):
    one = bystander.create(uuid=SOME)
    fails(bystander, step, 'Remove', name=SOME)
    check_whole(bystander, step == 'remove-begun')
    assert runs(one['worker']) == (step == 'remove-begun')


@pytest.mark.parametrize('step', ['worker-begun', 'worker-folder', 'worker-record', 'worker-started', 'worker-ready'])
def test_killed_while_starting(bystander, step):
    bystander.call('Define', type='bochs-16m', uuid=SOME)
    fails(bystander, step, 'Start', name=SOME)
    check_whole(bystander, True)


def test_a_live_client_notices_nothing(vgpud):
    one = vgpud.create()
    with vgpud.attach(one) as client:
        client.write(2, 0x502, 2, 640)
        for signo in (signal.SIGTERM, signal.SIGKILL):
            vgpud.wait_state(one['uuid'], 'attached')
            vgpud.end(signo)
            assert client.read(7, 0, 4) == 0x11111234
            vgpud.start()
            found = vgpud.wait_state(one['uuid'], 'attached')
            assert found['worker'] == one['worker'] and found['client']['pid'] == os.getpid()
            assert client.read(2, 0x502, 2) == 640
    vgpud.wait_state(one['uuid'], 'active')
    os.kill(one['worker'], signal.SIGKILL)
    assert eventually(lambda: vgpud.show(one['uuid'])['restarts'] == 1)


def test_who_dies_meanwhile_is_replaced(vgpud):
    one, keep = vgpud.create(), vgpud.create(policy='stop')
    vgpud.end()
    for i in (one, keep):
        os.kill(i['worker'], signal.SIGKILL)
    eventually(lambda: not vgpud.workers())
    vgpud.start()
    assert vgpud.wait_state(one['uuid'], 'active')['worker'] != one['worker']
    assert vgpud.show(keep['uuid'])['state'] == 'defined'


def test_autostart(vgpud):
    one = vgpud.call('Define', type='bochs-16m', autostart=True)['instance']
    assert one['state'] == 'defined'
    vgpud.end()
    vgpud.start()
    vgpud.wait_state(one['uuid'], 'active')


GOOD = {'uuid': SOME, 'type': 'bochs-16m', 'parent': 'soft', 'label': None, 'autostart': True, 'policy': 'restart'}
NONSENSE = {
    'empty': ('', 1),
    'cut': (json.dumps(GOOD, indent=1)[:-40], 6),
    'no json': ('hello\n', 1),
    'not an object': ('[]', 1),
    'twice': (json.dumps(GOOD) + '\n{}', 2),
    'deep': ('{"uuid":\n' + '[' * 1000, 2),
    'other uuid': (json.dumps({**GOOD, 'uuid': BYSTANDER}), 1),
    'no type': (json.dumps({k: v for k, v in GOOD.items() if k != 'type'}), 1),
    'type a number': (json.dumps({**GOOD, 'type': 5}, indent=1), 3),
    'bad parent': (json.dumps({**GOOD, 'parent': '../x'}, indent=1), 4),
    'bad label': (json.dumps({**GOOD, 'label': '\x1b[31m'}, indent=1), 5),
    'bad autostart': (json.dumps({**GOOD, 'autostart': 'yes'}, indent=1), 6),
    'bad weight': (json.dumps({**GOOD, 'weight': 10001}, indent=1), 8),
    'weight a string': (json.dumps({**GOOD, 'weight': '1'}, indent=1), 8),
    'bad cap': (json.dumps({**GOOD, 'cap': 0}, indent=1), 8),
    'bad policy': (json.dumps({**GOOD, 'policy': 'pray'}, indent=1), 7),
    'unknown member': (json.dumps({**GOOD, 'more': 1}, indent=1), 8),
    'binary': ('\0\xff\x01' * 50, 1),
    'huge': ('{"uuid": "' + 'x' * 100000, 1),
}


@pytest.mark.parametrize('what', NONSENSE)
def test_nonsense_is_refused_and_the_rest_runs(bystander, what):
    text, line = NONSENSE[what]
    bystander.end()
    path = bystander.state / (SOME + '.json')
    path.write_text(text)
    bystander.start()
    bad = bystander.show(SOME)
    assert bad['state'] == 'failed' and bad['reason'].startswith(f'{path}:{line}: '), bad
    assert any(str(path) in p for p in bystander.call('Diagnose')['problems'])
    assert bystander.refused('Start', name=SOME)[0] == 'Failed'
    assert bystander.wait_state(BYSTANDER, 'active')
    bystander.call('Remove', name=SOME)
    assert not path.exists()


def test_a_type_that_is_gone(bystander):
    bystander.end()
    (bystander.state / (SOME + '.json')).write_text(json.dumps({**GOOD, 'type': 'gone-1'}))
    bystander.start()
    assert "does not offer type 'gone-1'" in bystander.show(SOME)['reason']


def test_other_files_are_left_alone(bystander):
    bystander.end()
    (bystander.state / 'README').write_text('mine')
    (bystander.state / 'not-a-uuid-but-just-as-long-as-one-is.json').write_text('{}')
    (bystander.state / (SOME + '.json.new')).write_text('{"uu')
    (bystander.runtime / 'mine').mkdir()
    bystander.start()
    assert len(bystander.list()) == 1
    assert (bystander.state / 'README').exists() and (bystander.runtime / 'mine').exists()
    assert not (bystander.state / (SOME + '.json.new')).exists()


def test_one_at_a_time(vgpud):
    first = vgpud.process
    vgpud.launch()
    assert vgpud.process.wait(PATIENCE) == 3
    assert 'another vgpud' in vgpud.log()
    vgpud.process = first
    assert vgpud.list() == []
