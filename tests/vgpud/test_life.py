# SPDX-License-Identifier: MIT
"""Instances come, run, and go."""
import os
import signal
import uuid

import pytest
from conftest import DEVICE, PATIENCE, SANITIZED, eventually, runs

SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'


def test_nothing_configured_offers_types(vgpud):
    parents = vgpud.call('ListParents')['parents']
    assert [p['name'] for p in parents] == ['soft']
    assert parents[0]['error'] is None
    types = {t['name']: t for t in vgpud.call('ListTypes')['types']}
    assert 'bochs-64m' in types
    assert types['bochs-64m']['vram'] == 64 << 20
    assert types['bochs-64m']['available'] > 0
    assert vgpud.refused('ListTypes', parent='nobody') == ('NoSuchParent', {'parent': 'nobody'})


def test_create_serves_and_remove_leaves_nothing(vgpud):
    one = vgpud.create(label='desk')
    assert one['state'] == 'active' and runs(one['worker'])
    with vgpud.attach(one):
        assert vgpud.wait_state('desk', 'attached')['client']['pid'] == os.getpid()
        error, parameters = vgpud.refused('Remove', name='desk')
        assert (error, parameters['pid']) == ('Attached', os.getpid())
    assert vgpud.wait_state(one['uuid'][:8], 'active')['client'] is None
    vgpud.call('Remove', name='desk')
    assert vgpud.list() == []
    assert not runs(one['worker'])
    assert not (vgpud.runtime / one['uuid']).exists()
    assert list(vgpud.state.iterdir()) == []


def test_define_start_stop(vgpud):
    one = vgpud.call('Define', type='bochs-32m', uuid=SOME.upper())['instance']
    assert (one['uuid'], one['state'], one['worker']) == (SOME, 'defined', None)
    assert vgpud.refused('Stop', name=SOME)[0] == 'WrongState'
    assert vgpud.call('Start', name=SOME)['instance']['state'] == 'active'
    assert vgpud.refused('Start', name=SOME)[0] == 'WrongState'
    vgpud.call('Stop', name=SOME)
    assert vgpud.show(SOME)['state'] == 'defined'
    assert not (vgpud.runtime / SOME).exists()


def test_transient_ones_are_not_stored(vgpud):
    one = vgpud.create(transient=True)
    assert list(vgpud.state.iterdir()) == []
    vgpud.end()
    vgpud.start()
    assert vgpud.wait_state(one['uuid'], 'active')['worker'] == one['worker']
    vgpud.call('Stop', name=one['uuid'])
    assert vgpud.list() == []


def test_modify(vgpud):
    vgpud.call('Define', type='bochs-16m', uuid=SOME)
    changed = vgpud.call('Modify', name=SOME, type='bochs-64m', label='new', autostart=True, policy='fail')['instance']
    assert [changed[k] for k in ('type', 'label', 'autostart', 'policy')] == ['bochs-64m', 'new', True, 'fail']
    assert vgpud.call('ListParents')['parents'][0]['vram_used'] == 64 << 20
    vgpud.call('Start', name='new')
    assert vgpud.refused('Modify', name='new', type='bochs-16m')[0] == 'WrongState'
    assert vgpud.call('Modify', name='new', label='')['instance']['label'] is None


@pytest.mark.parametrize('bad', ['', 'x', SOME[:-1], SOME + '0', SOME.replace('-', ''), '{' + SOME + '}',
                                 '../../etc/passwd', SOME[:-1] + 'g', ' ' + SOME[1:]])
def test_malformed_uuids(vgpud, bad):
    error, parameters = vgpud.refused('Define', type='bochs-16m', uuid=bad)
    assert (error, parameters['errno']) == ('InvalidName', 22)
    assert vgpud.list() == []


@pytest.mark.parametrize('bad', ['\x1b[31mred', 'a\nb', 'x' * 65, 'beef', '\u202egnp'])
def test_labels_that_cannot_be(vgpud, bad):
    assert vgpud.refused('Define', type='bochs-16m', label=bad)[0] == 'InvalidName'


def test_duplicates(vgpud):
    vgpud.call('Define', type='bochs-16m', uuid=SOME, label='one')
    for again, says in (({'uuid': SOME}, f'there is an instance {SOME} already'),
                        ({'uuid': SOME.upper(), 'label': 'two'}, f'there is an instance {SOME} already'),
                        ({'label': 'one'}, f'the label one is taken: {SOME} has it')):
        error, parameters = vgpud.refused('Define', type='bochs-32m', **again)
        assert (error, parameters['errno']) == ('Exists', 17)
        assert parameters['message'] == says
    other = vgpud.call('Define', type='bochs-16m')['instance']['uuid']
    assert vgpud.refused('Modify', name=other, label='one')[1]['message'] == f'the label one is taken: {SOME} has it'


def test_unknown_types_and_names(vgpud):
    assert vgpud.refused('Create', type='nix') == ('NoSuchType', {'type': 'nix'})
    assert vgpud.refused('Create', type='x' * 1000)[0] == 'NoSuchType'
    assert vgpud.refused('Create', type='bochs-16m', parent='other') == ('NoSuchParent', {'parent': 'other'})
    assert vgpud.refused('Show', name='nobody') == ('NoSuchInstance', {'name': 'nobody'})
    vgpud.call('Define', type='bochs-16m', uuid='abcd0000-0000-4000-8000-000000000001')
    vgpud.call('Define', type='bochs-16m', uuid='abcd0000-0000-4000-8000-000000000002')
    error, parameters = vgpud.refused('Show', name='abcd')
    assert error == 'AmbiguousName' and len(parameters['matches']) == 2


def test_exhausted(idle):
    idle.configure('[parent small]\ndriver = bochs\nvram = 64M\n')
    idle.start()
    available = {t['name']: t['available'] for t in idle.call('ListTypes')['types']}
    assert (available['bochs-16m'], available['bochs-64m'], available['bochs-128m']) == (4, 1, 0)
    idle.call('Define', type='bochs-32m')
    idle.call('Define', type='bochs-16m')
    error, parameters = idle.refused('Create', type='bochs-32m')
    assert (error, parameters['errno']) == ('Exhausted', 87)
    last = idle.call('Define', type='bochs-16m')['instance']
    assert idle.refused('Define', type='bochs-16m')[0] == 'Exhausted'
    idle.call('Remove', name=last['uuid'])
    idle.call('Define', type='bochs-16m')


def test_a_dead_worker_is_replaced_and_others_feel_nothing(vgpud):
    victim, other = vgpud.create(), vgpud.create()
    with vgpud.attach(other) as client:
        vgpud.wait_state(other['uuid'], 'attached')
        os.kill(victim['worker'], signal.SIGKILL)
        new = eventually(lambda: (i := vgpud.show(victim['uuid']))['restarts'] == 1 and i)
        assert new['state'] == 'active' and new['worker'] not in (None, victim['worker'])
        client.read(7, 0, 4)
        assert vgpud.show(other['uuid'])['worker'] == other['worker']
    assert f'worker {victim["worker"]} was killed by SIGKILL' in vgpud.log()
    assert ': failed: its worker was killed by SIGKILL' in vgpud.log()
    with vgpud.attach(new):
        pass


@pytest.mark.parametrize('policy, state', [('stop', 'defined'), ('fail', 'failed')])
def test_policies(vgpud, policy, state):
    one = vgpud.create(policy=policy)
    os.kill(one['worker'], signal.SIGKILL)
    assert vgpud.wait_state(one['uuid'], state)['worker'] is None
    assert vgpud.call('Start', name=one['uuid'])['instance']['state'] == 'active'


def test_it_does_not_restart_for_ever(idle):
    idle.configure('[vgpud]\nrestart-limit = 2\n')
    idle.start()
    one = idle.create()
    for n in (1, 2):
        os.kill(one['worker'], signal.SIGKILL)
        one = eventually(lambda n=n: (i := idle.show(one['uuid']))['restarts'] == n and i)
    os.kill(one['worker'], signal.SIGKILL)
    assert 'no more are started' in idle.wait_state(one['uuid'], 'failed')['reason']


def test_a_crash_leaves_a_back_trace_in_the_log(vgpud):
    one = vgpud.create(policy='fail')
    os.kill(one['worker'], signal.SIGSEGV)
    vgpud.wait_state(one['uuid'], 'failed')
    if 'AddressSanitizer' in vgpud.log() or 'ThreadSanitizer' in vgpud.log():
        return  # it has a back trace of its own
    assert 'was killed by SIGSEGV' in vgpud.log()
    assert 'worker said: vgpu-device: crashed: SIGSEGV' in vgpud.log()
    assert '/vgpu-device(' in vgpud.log().partition('back trace:')[2]


def test_why_another_vgpuds_worker_ended(vgpud):
    """It is nobody's child any more, so only its own log can tell."""
    crashed, killed = vgpud.create(policy='fail'), vgpud.create(policy='fail')
    vgpud.end()
    vgpud.start()
    for one, signo in ((crashed, signal.SIGSEGV), (killed, signal.SIGKILL)):
        vgpud.wait_state(one['uuid'], 'active')
        os.kill(one['worker'], signo)
    reason = vgpud.wait_state(crashed['uuid'], 'failed')['reason']
    if not SANITIZED:
        assert 'its worker ended, and said: vgpu-device: crashed: SIGSEGV' in reason
    reason = vgpud.wait_state(killed['uuid'], 'failed')['reason']
    assert 'its worker ended (how is not known: another vgpud had started it)' in reason


def test_one_that_never_becomes_ready(idle):
    """What the daemon has done itself is the reason, not the signal that it used."""
    silent = idle.top / 'silent'
    silent.write_text('#!/bin/sh\ncase "$*" in *--list-types*) exec ' + str(DEVICE) + ' "$@";; esac\nexec sleep 60\n')
    silent.chmod(0o755)
    idle.start('--device-program', str(silent))
    error, parameters = idle.refused('Create', type='bochs-16m')
    assert error == 'Failed' and 'its worker did not become ready within 10 s, and was killed' in parameters['message']
    assert idle.list() == []


def test_started_with_nothing_open(idle):
    """No socket may get the number of stderr: what is written there would go to its reader."""
    idle.launch(prefix=['sh', '-c', 'exec "$@" 0<&- 1>&- 2>&-', 'sh'])
    eventually(lambda: (idle.runtime / 'control.sock').exists())
    one = idle.create()
    assert [os.readlink(f'/proc/{idle.process.pid}/fd/{n}') for n in range(3)] == ['/dev/null'] * 3
    assert one['state'] == 'active'


def test_events(vgpud):
    with vgpud.connect() as reader:
        reader.send({'method': 'io.vgpud.Manager.Subscribe', 'parameters': {}, 'more': True})
        assert reader.receive()['parameters']['sequence'] == 0
        one = vgpud.create(label='seen')
        vgpud.attach(one).close()
        seen = [reader.receive()['parameters'] for _ in range(4)]
        vgpud.wait_state('seen', 'active')
        vgpud.call('Remove', name='seen')
        seen.append(reader.receive()['parameters'])
    assert [s['event']['kind'] for s in seen] == ['created', 'started', 'attached', 'detached', 'removed']
    assert [s['sequence'] for s in seen] == [1, 2, 3, 4, 5]
    assert all(s['event']['uuid'] == one['uuid'] and s['event']['label'] == 'seen' for s in seen)


def test_several_calls_at_once(vgpud):
    names = [str(uuid.uuid4()) for _ in range(12)]
    clients = [vgpud.connect() for _ in names]
    for client, name in zip(clients, names):
        client.send({'method': 'io.vgpud.Manager.Create', 'parameters': {'type': 'bochs-16m', 'uuid': name}})
    replies = [client.receive() for client in clients]
    assert all(r['parameters']['instance']['state'] == 'active' for r in replies)
    assert [i['uuid'] for i in vgpud.list()] == sorted(names)
    for client in clients:
        client.close()


def test_an_unwilling_worker_is_no_instance(idle):
    idle.start('--device-program', str(idle.config))  # a folder can't be executed
    assert idle.call('ListParents')['parents'][0]['error']
    assert idle.call('Diagnose')['problems']
    assert idle.refused('Create', type='bochs-16m')[0] == 'NoSuchType'
    assert idle.process.poll() is None and PATIENCE
