# SPDX-License-Identifier: MIT
"""Debian 13's varlinkctl on the control sockets of all three programs."""
import json
import subprocess

import pytest
from conftest import PATIENCE, TOP

VARLINKCTL = TOP / 'build' / 'lab' / 'varlinkctl'
SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'
INTERFACES = ['io.vgpud.Device', 'io.vgpud.Manager', 'io.vgpud.Parent', 'org.varlink.service']

pytestmark = pytest.mark.skipif(not VARLINKCTL.exists(), reason='scripts/lab has not unpacked it')


def varlinkctl(*arguments, fine=True):
    done = subprocess.run([VARLINKCTL, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode == 0) == fine, done.stderr + done.stdout
    return done.stdout if fine else done.stderr


@pytest.fixture
def sockets(idle):
    """Of vgpud, of a vgpu-device and of a vgpu-parent."""
    idle.configure('[parent hw]\ndriver = edu\nconfig = software\n')
    idle.start()
    one = idle.create('edu', uuid=SOME)
    return {'io.vgpud.Manager': idle.runtime / 'control.sock', 'io.vgpud.Device': one['control'],
            'io.vgpud.Parent': idle.runtime / 'parents' / 'hw' / 'control.sock'}


@pytest.mark.parametrize('interface', INTERFACES)
def test_it_finds_no_fault_in_the_definitions(interface):
    varlinkctl('validate-idl', TOP / 'src' / 'control' / f'{interface}.varlink')


def test_it_introspects_and_calls(sockets):
    for interface, socket in sockets.items():
        assert 'vgpud' in varlinkctl('info', socket)
        assert varlinkctl('list-interfaces', socket).split() == [interface, 'org.varlink.service']
        for each in (interface, 'org.varlink.service'):
            assert f'interface {each}' in varlinkctl('introspect', socket, each)
    manager = sockets['io.vgpud.Manager']
    one, = json.loads(varlinkctl('call', manager, 'io.vgpud.Manager.List', '{}'))['instances']
    assert (one['uuid'], one['state']) == (SOME, 'active')
    assert json.loads(varlinkctl('call', sockets['io.vgpud.Device'], 'io.vgpud.Device.GetInfo', '{}'))['uuid'] == SOME
    known, = json.loads(varlinkctl('call', sockets['io.vgpud.Parent'], 'io.vgpud.Parent.GetInfo', '{}'))['instances']
    assert known['uuid'] == SOME


def test_it_changes_things_and_is_told_of_mistakes(sockets):
    manager = sockets['io.vgpud.Manager']
    assert 'io.vgpud.Manager.NoSuchInstance' in varlinkctl('call', manager, 'io.vgpud.Manager.Show',
                                                           '{"name": "nobody"}', fine=False)
    assert 'InvalidParameter' in varlinkctl('call', manager, 'io.vgpud.Manager.Show', '{"nom": "x"}', fine=False)
    varlinkctl('call', manager, 'io.vgpud.Manager.Modify', json.dumps({'name': SOME, 'label': 'desk', 'weight': 3}))
    one = json.loads(varlinkctl('call', manager, 'io.vgpud.Manager.Show', '{"name": "desk"}'))['instance']
    assert (one['uuid'], one['weight']) == (SOME, 3)


def test_it_gets_events(sockets):
    with subprocess.Popen([VARLINKCTL, '--more', 'call', sockets['io.vgpud.Manager'],
                           'io.vgpud.Manager.Subscribe', '{"after": 0}'], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL) as reader:
        try:
            said = [json.loads(reader.stdout.readline().strip('\x1e')) for _ in range(4)]
        finally:
            reader.terminate()
    assert [s['event'] and s['event']['kind'] for s in said] == [None, 'parent-started', 'created', 'started']
