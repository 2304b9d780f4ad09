# SPDX-License-Identifier: MIT
"""Parents whose hardware is shared: vgpud starts a vgpu-parent, introduces the vGPUs to it, and watches over it."""
import ctypes
import os
import signal
import socket
import subprocess
import time

import pytest
from conftest import BUILD, PATIENCE, SANITIZED, eventually, runs
from varlink import Client

CLIENT = BUILD / 'tests' / 'guest' / 'educlient'
SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'
CONFIG = '[parent hw]\ndriver = edu\nconfig = software\nshares = 10\n[parent soft]\ndriver = bochs\n'
PIDFD_GETFD = 438
STEPS = ['begun', 'folder', 'record', 'started', 'ready', 'introduce', 'introduced']


@pytest.fixture
def shared(idle):
    idle.configure(CONFIG)
    return idle.start()


def process(daemon, name='hw'):
    """The vgpu-parent's pid, or None."""
    return {p['name']: p['process'] for p in daemon.call('ListParents')['parents']}[name]


def ask(daemon, method, name='hw', **parameters):
    with Client(daemon.runtime / 'parents' / name / 'control.sock') as client:
        return client.call('io.vgpud.Parent.' + method, **parameters)


def seen(daemon):
    """What the vgpu-parent knows of its vGPUs."""
    return {i['uuid']: i for i in ask(daemon, 'GetInfo')['instances']}


def client(daemon, instance, seed, rounds, *arguments):
    """A program that uses the vGPU, with its output in a file."""
    log = open(daemon.top / f'client{seed}', 'wb')
    with log:
        return subprocess.Popen([CLIENT, instance['socket'], str(seed), str(rounds), *arguments], stdout=log,
                                stderr=log, stdin=subprocess.DEVNULL)


def work(daemon, instance, seed=1, rounds=3):
    it = client(daemon, instance, seed, rounds)
    assert it.wait(PATIENCE) == 0, (daemon.top / f'client{seed}').read_text() + daemon.log()


def test_types_are_known_without_starting_it(shared):
    assert {t['name']: t['available'] for t in shared.call('ListTypes', parent='hw')['types']} == {'edu': 10}
    parent = shared.call('ListParents')['parents'][0]
    assert (parent['config'], parent['process'], parent['error']) == ('software', None, None)
    shared.call('Define', type='edu')
    assert shared.parents() == []


def test_it_comes_with_the_first_and_goes_after_the_last(shared):
    one = shared.create('edu', uuid=SOME)
    assert one['parent'] == 'hw' and shared.parents() == [process(shared)]
    two = shared.create('edu', weight=7, cap=40)
    assert len(shared.parents()) == 1
    known = seen(shared)
    assert known[SOME]['introduced'] and (known[SOME]['weight'], known[SOME]['cap']) == (1, 0)
    assert (known[two['uuid']]['weight'], known[two['uuid']]['cap']) == (7, 40)
    users = [client(shared, i, n + 1, 20) for n, i in enumerate((one, two))]
    assert [u.wait(PATIENCE) for u in users] == [0, 0], shared.log()
    shared.wait_state(SOME, 'active')
    with open(f'/proc/{process(shared)}/status') as status:
        assert 'NoNewPrivs:\t1' in status.read() or 'san' in BUILD.name  # those with a sanitizer make no sandbox
    shared.call('Remove', name=SOME)
    eventually(lambda: list(seen(shared)) == [two['uuid']])
    work(shared, two)
    shared.wait_state(two['uuid'], 'active')
    shared.call('Remove', name=two['uuid'])
    eventually(lambda: process(shared) is None)
    assert shared.parents() == [] and not (shared.runtime / 'parents' / 'hw').exists()
    assert 'no vGPU uses it any more' in shared.log()
    work(shared, shared.create('edu'))


def test_what_a_worker_may_is_not_its_to_say(shared):
    """It has no socket of the parent's, only a connection that is its own."""
    one = shared.create('edu')
    with open(f'/proc/{one["worker"]}/cmdline', 'rb') as file:
        words = file.read().split(b'\0')
    assert b'--parent-fd' in words and b'--parent-socket' not in words and b'--weight' not in words
    assert ask(shared, 'GetInfo')['socket'] is None
    assert os.stat(shared.runtime / 'parents/hw/control.sock').st_mode & 0o777 == 0o600


def test_weight_and_cap_change_live(shared):
    one = shared.create('edu', uuid=SOME)
    changed = shared.call('Modify', name=SOME, weight=9, cap=25)['instance']
    assert (changed['weight'], changed['cap'], changed['worker']) == (9, 25, one['worker'])
    eventually(lambda: (seen(shared)[SOME]['weight'], seen(shared)[SOME]['cap']) == (9, 25))
    assert shared.call('ListParents')['parents'][0]['shares_used'] == 9
    assert shared.call('Define', type='edu')['instance']['weight'] == 1
    error, parameters = shared.refused('Modify', name=SOME, weight=10)
    assert (error, parameters['errno']) == ('Exhausted', 87)
    assert shared.refused('Define', type='edu', weight=1)[0] == 'Exhausted'
    for wrong in ({'weight': 10001}, {'weight': -1}, {'cap': 101}):
        assert shared.refused('Modify', name=SOME, **wrong)[0] == 'org.varlink.service.InvalidParameter'
    shared.end()
    shared.start()
    assert (shared.show(SOME)['weight'], shared.show(SOME)['cap']) == (9, 25)
    shared.wait_state(SOME, 'active')
    assert shared.call('Modify', name=SOME, weight=0, cap=0)['instance']['weight'] == 1
    eventually(lambda: (seen(shared)[SOME]['weight'], seen(shared)[SOME]['cap']) == (1, 0))
    assert shared.call('ListParents')['parents'][0]['shares_used'] == 2


def test_budgets_hold_in_the_parent_too(idle):
    idle.configure('[vgpud]\npinned-limit = 16M\n' + CONFIG)
    idle.start()
    one, two = idle.create('edu'), idle.create('edu')
    eventually(lambda: {i['pinned_limit'] for i in seen(idle).values()} == {1 << 20})
    with idle.attach(one):
        eventually(lambda: seen(idle)[one['uuid']]['pinned_limit'] == 16 << 20)
        with idle.attach(two):
            eventually(lambda: {i['pinned_limit'] for i in seen(idle).values()} == {8 << 20})
        eventually(lambda: seen(idle)[one['uuid']]['pinned_limit'] == 16 << 20)
    assert "can't be told" not in idle.log()


@pytest.mark.parametrize('signo', [signal.SIGKILL, signal.SIGSEGV])
def test_it_dies(shared, signo):
    """Its vGPUs are replaced, one by its policy not, and those of other parents feel nothing."""
    one, other = shared.create('edu', uuid=SOME), shared.create('edu', policy='fail')
    neighbour = shared.create('bochs-16m')
    with shared.connect() as reader, shared.attach(neighbour) as nothing_to_do_with_it:
        reader.send({'method': 'io.vgpud.Manager.Subscribe', 'parameters': {}, 'more': True})
        reader.receive()
        old = process(shared)
        os.kill(old, signo)
        new = eventually(lambda: (i := shared.show(SOME))['restarts'] == 1 and i)
        kinds = [reader.receive()['parameters']['event'] for _ in range(1)]
        while kinds[-1]['kind'] != 'parent-failed':
            kinds.append(reader.receive()['parameters']['event'])
        assert kinds[-1]['parent'] == 'hw' and kinds[-1]['uuid'] is None
        assert new['worker'] != one['worker'] and process(shared) not in (None, old)
        reason = shared.wait_state(other['uuid'], 'failed')['reason']
        # A sanitizer makes an exit of a crash.
        end = 'exited with status ' if SANITIZED and signo == signal.SIGSEGV else f'was killed by {signo.name}'
        assert f"its parent 'hw' has failed: vgpu-parent {end}" in reason
        nothing_to_do_with_it.read(7, 0, 4)
        assert shared.show(neighbour['uuid'])['restarts'] == 0
    work(shared, new)
    assert shared.call('Start', name=other['uuid'])['instance']['state'] == 'active'
    assert len(shared.parents()) == 1
    if signo == signal.SIGSEGV and 'Sanitizer' not in shared.log():
        assert 'parent said: vgpu-parent: crashed: SIGSEGV' in shared.log()


def cut_off(instance):
    """Ends the connection to the vgpu-parent that a worker has, and waits until the worker has gone."""
    with open(f'/proc/{instance["worker"]}/cmdline', 'rb') as file:
        words = file.read().split(b'\0')
    number = int(words[words.index(b'--parent-fd') + 1])
    pidfd = os.pidfd_open(instance['worker'])
    fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=fd) as connection:
        connection.shutdown(socket.SHUT_RDWR)
    eventually(lambda: not runs(instance['worker']))


def test_whose_end_is_the_reason(shared):
    """The kernel closes what a vgpu-parent has open before it tells that it has ended: a worker may end first."""
    one = shared.create('edu', uuid=SOME, policy='fail')
    parent = process(shared)
    cut_off(one)
    os.kill(parent, signal.SIGKILL)
    reason = shared.wait_state(SOME, 'failed')['reason']
    assert reason == "its parent 'hw' has failed: vgpu-parent was killed by SIGKILL"
    assert f'worker {one["worker"]} exited with status 5' in shared.log()


def test_one_that_its_parent_drops(shared):
    one, other = shared.create('edu', uuid=SOME, policy='fail'), shared.create('edu')
    cut_off(one)
    reason = shared.wait_state(SOME, 'failed')['reason']
    assert reason.startswith("its parent 'hw' has dropped it (its worker exited with status 5)")
    work(shared, other)
    # Waiting for the reason keeps nobody from removing it.
    two = shared.create('edu', policy='fail')
    cut_off(two)
    shared.call('Remove', name=two['uuid'])
    assert sorted(i['uuid'] for i in shared.list()) == sorted((SOME, other['uuid']))


def test_a_parent_that_dies_again_and_again(idle):
    """Whoever asks, it is started so often and not more, and it is said."""
    idle.configure('[vgpud]\nrestart-limit = 100\nparent-restart-limit = 2\nrestart-window = 300\n' + CONFIG)
    idle.start()
    one = idle.create('edu', uuid=SOME, policy='restart')
    for n in (1, 2):
        os.kill(process(idle), signal.SIGKILL)
        eventually(lambda n=n: idle.show(SOME)['restarts'] == n and idle.show(SOME)['state'] == 'active')
        parent = idle.call('ListParents')['parents'][0]
        assert (parent['state'], parent['failures'], parent['error']) == ('running', n, None)
    os.kill(process(idle), signal.SIGKILL)
    told = 'vgpu-parent has died 3 times in 300 s: none is started for the next '
    eventually(lambda: f"its parent 'hw' has failed: {told}" in (idle.show(SOME)['reason'] or ''))
    assert 'The last one was killed by SIGKILL' in idle.show(SOME)['reason']
    assert idle.show(SOME)['parent_state'] == 'failed'
    parent = idle.call('ListParents')['parents'][0]
    assert (parent['state'], parent['process'], parent['failures']) == ('failed', None, 3) and told in parent['error']
    assert told in idle.call('ListTypes', parent='hw')['types'][0]['problem']
    assert 'vgpud_parent_failures_total{parent="hw"} 3' in idle.call('Metrics')['text']
    error, parameters = idle.refused('Create', type='edu')
    assert error == 'Failed' and told in parameters['message']
    assert idle.parents() == [] and idle.create('bochs-16m')['parent_state'] is None
    # The way out that the sentence names.
    idle.process.send_signal(signal.SIGHUP)
    eventually(lambda: idle.call('ListParents')['parents'][0]['state'] != 'failed')
    idle.call('Stop', name=SOME)
    work(idle, idle.call('Start', name=SOME)['instance'])
    assert idle.call('ListTypes', parent='hw')['types'][0]['problem'] is None and one


def test_who_comes_soon_after_a_death_waits(idle):
    idle.configure(CONFIG)
    idle.start()
    for _ in range(4):  # 0.1 s, 0.2 s, ...
        idle.create('edu', uuid=SOME, policy='fail')
        os.kill(process(idle), signal.SIGKILL)
        idle.wait_state(SOME, 'failed')
        idle.call('Remove', name=SOME)
    with idle.connect() as it:
        it.send({'method': 'io.vgpud.Manager.Create', 'parameters': {'type': 'edu', 'uuid': SOME}})
        assert idle.show(SOME)['parent_state'] == 'starting' and process(idle) is None
        assert it.receive()['parameters']['instance']['state'] == 'active'
    # One that waits may be stopped, and nothing comes for it.
    os.kill(process(idle), signal.SIGKILL)
    eventually(lambda: idle.show(SOME)['state'] == 'starting' and process(idle) is None)
    idle.call('Stop', name=SOME)
    assert idle.show(SOME)['state'] == 'defined' and idle.parents() == []


def test_a_worker_dies(shared):
    one, other = shared.create('edu', uuid=SOME), shared.create('edu')
    neighbour = client(shared, other, 2, 60)
    os.kill(one['worker'], signal.SIGKILL)
    new = eventually(lambda: (i := shared.show(SOME))['restarts'] == 1 and i)
    work(shared, new)
    assert neighbour.wait(PATIENCE) == 0
    assert len(seen(shared)) == 2


def test_a_restart_of_vgpud_is_not_noticed(shared):
    one = shared.create('edu', uuid=SOME)
    parent = process(shared)
    for signo in (signal.SIGTERM, signal.SIGKILL):
        user = client(shared, one, 1, 400)
        eventually(lambda user=user: user.poll() is not None or shared.show(SOME)['state'] == 'attached')
        assert user.poll() is None, (shared.top / 'client1').read_text() + shared.log()
        shared.end(signo)
        shared.start()
        shared.wait_state(SOME, 'attached')
        assert (process(shared), shared.show(SOME)['worker']) == (parent, one['worker'])
        user.terminate()
        assert user.wait(PATIENCE) == -signal.SIGTERM  # it had not ended by itself
        shared.wait_state(SOME, 'active')
    # It is introduced to, told, and its end noticed, as before.
    work(shared, shared.create('edu', weight=2), 2)
    eventually(lambda: process(shared) and len(seen(shared)) == 2)
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: shared.show(SOME)['restarts'] == 1)


def test_both_die_while_vgpud_is_not_there(shared):
    one = shared.create('edu', uuid=SOME)
    parent = process(shared)
    shared.end()
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not shared.workers())
    shared.start()
    work(shared, shared.wait_state(SOME, 'active'))
    assert process(shared) != parent and shared.show(SOME)['worker'] != one['worker']


@pytest.mark.parametrize('step', STEPS)
def test_killed_at_every_step(shared, step):
    """The create is not done, and what was started for it is found again, or ended."""
    shared.end()
    shared.start(env={'VGPUD_FAIL_AT': 'parent-' + step})
    with shared.connect() as it:
        it.send({'method': 'io.vgpud.Manager.Create', 'parameters': {'type': 'edu', 'uuid': SOME}})
        assert shared.process.wait(PATIENCE) == -signal.SIGKILL
    shared.start()
    assert shared.list() == []
    eventually(lambda: not shared.workers())
    assert shared.parents() == [p for p in [process(shared)] if p]
    assert (step in ('begun', 'folder', 'record')) == (shared.parents() == [])
    work(shared, shared.create('edu', uuid=SOME))
    assert shared.parents() == [process(shared)] and list(seen(shared)) == [SOME]


def test_a_parent_that_is_dropped_is_ended(shared):
    one, other = shared.create('edu', uuid=SOME), shared.create('bochs-16m')
    shared.configure('[parent soft]\ndriver = bochs\n')
    shared.process.send_signal(signal.SIGHUP)
    assert "'hw' is not configured any more" in shared.wait_state(SOME, 'failed')['reason']
    eventually(lambda: not shared.parents())
    assert not runs(one['worker']) and shared.show(other['uuid'])['worker'] == other['worker']
    assert shared.refused('Start', name=SOME)[0] == 'Failed'
    shared.configure(CONFIG)
    shared.process.send_signal(signal.SIGHUP)
    eventually(lambda: shared.show(SOME)['state'] == 'defined')
    work(shared, shared.call('Start', name=SOME)['instance'])


def test_one_that_was_dropped_while_vgpud_was_not_there(shared):
    one = shared.create('edu', uuid=SOME)
    shared.end()
    shared.configure('[parent soft]\ndriver = bochs\n')
    shared.start()
    eventually(lambda: not shared.parents() and not runs(one['worker']))
    assert shared.show(SOME)['state'] == 'failed'


def test_another_configuration_waits_for_the_last_vgpu(shared):
    one = shared.create('edu', uuid=SOME)
    old = process(shared)
    shared.configure(CONFIG.replace('software', 'software,delay=1'))
    shared.process.send_signal(signal.SIGHUP)
    eventually(lambda: "runs on with 'software'" in shared.log())
    error, parameters = shared.refused('Create', type='edu')
    assert error == 'Failed' and 'another configuration' in parameters['message']
    shared.end()
    shared.start()
    assert 'another configuration' in shared.refused('Create', type='edu')[1]['message']
    shared.wait_state(SOME, 'active')
    work(shared, one)
    shared.wait_state(SOME, 'active')
    shared.call('Stop', name=SOME)
    eventually(lambda: process(shared) is None)
    assert shared.call('Start', name=SOME)['instance']['state'] == 'active'
    assert process(shared) != old and ask(shared, 'GetInfo')['config'] == 'software,delay=1'


def test_a_slip_of_the_pen_takes_nothing_away(shared):
    one = shared.create('edu', uuid=SOME)
    shared.configure(CONFIG.replace('shares = 10', 'shares = ten'))
    shared.process.send_signal(signal.SIGHUP)
    eventually(lambda: shared.call('ListParents')['parents'][0]['error'])
    assert len(shared.parents()) == 1
    work(shared, one)
    assert shared.refused('Create', type='edu')[0] == 'NoSuchType'


@pytest.mark.parametrize('section, sentence', [
    ('driver = edu\n', "shares hardware: say which by 'config ='"),
    ('driver = bochs\nconfig = software\n', 'shares nothing'),
    ('driver = edu\nconfig = software\nparent-socket = /x\n', 'exclude each other'),
])
def test_sections_that_cannot_be(idle, section, sentence):
    idle.configure('[parent hw]\n' + section)
    idle.start()
    error = idle.call('ListParents')['parents'][0]['error']
    assert sentence in error and f'{idle.config}/test.conf:2:' in error
    assert any(sentence in p for p in idle.call('Diagnose')['problems'])


@pytest.mark.parametrize('config, said', [('pci=0000:ff:1f.7', '0000:ff:1f.7'), ('nonsense', 'is expected')])
def test_hardware_that_is_not_there(idle, config, said):
    idle.configure(CONFIG.replace('software', config))
    idle.start()
    error, parameters = idle.refused('Create', type='edu')
    assert error == 'Failed' and "its parent 'hw' has failed: vgpu-parent exited with status 1" in parameters['message']
    assert 'and said: ' in parameters['message']
    assert said in idle.log().partition('parent said:')[2]
    assert idle.list() == [] and list(idle.state.iterdir()) == [] and idle.parents() == []
    assert idle.create('bochs-16m')['state'] == 'active'
    # A restart policy comes to its end.
    idle.configure('[vgpud]\nrestart-limit = 1\n' + CONFIG.replace('software', config))
    idle.end()
    idle.start()
    one = idle.call('Define', type='edu', autostart=True)['instance']
    idle.end()
    idle.start()
    assert 'no more are started' in idle.wait_state(one['uuid'], 'failed')['reason']


def test_stopped_while_its_parent_starts(idle):
    idle.configure(CONFIG)
    slow = idle.top / 'slow'
    slow.write_text(f'#!/bin/sh\nsleep 2\nexec {BUILD}/programs/vgpu-parent/vgpu-parent "$@"\n')
    slow.chmod(0o755)
    idle.start('--parent-program', str(slow))
    one = idle.call('Define', type='edu', autostart=True)['instance']
    idle.end()
    idle.start('--parent-program', str(slow))
    assert idle.show(one['uuid'])['state'] == 'starting'
    # Those of other parents don't wait for it.
    assert idle.create('bochs-16m')['state'] == 'active' and idle.show(one['uuid'])['state'] == 'starting'
    idle.call('Stop', name=one['uuid'])
    assert idle.show(one['uuid'])['state'] == 'defined'
    assert idle.call('Start', name=one['uuid'])['instance']['state'] == 'active'
    work(idle, idle.show(one['uuid']))


def test_a_silent_vgpu_parent_makes_nobody_wait(shared):
    """What people look with answers at once, whatever it waits for. Time is the subject."""
    one = shared.create('edu', uuid=SOME)
    user = client(shared, one, 1, 2000)
    shared.wait_state(SOME, 'attached')
    os.kill(process(shared), signal.SIGSTOP)
    try:
        for arguments in (['list'], ['top', '--once', '--delay', '0.2'], ['stats', SOME]):
            begin = time.monotonic()
            result = subprocess.run([BUILD / 'programs/vgpuctl/vgpuctl', *arguments], capture_output=True, text=True,
                                    check=False, env={**os.environ, 'VGPUD_CONTROL': shared.runtime / 'control.sock'})
            assert result.returncode == 0, result.stderr
            assert time.monotonic() - begin < (20 if SANITIZED else 2), (arguments, result.stdout)
    finally:
        os.kill(process(shared), signal.SIGCONT)
    user.terminate()
    user.wait(PATIENCE)
    work(shared, one, seed=2)
