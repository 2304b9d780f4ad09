# SPDX-License-Identifier: MIT
"""vgpu-parent's control socket and its sandbox: who introduces vGPUs, and what a parent half taken over may do."""
import errno
import os
import re
import socket
import struct
import subprocess
import uuid

import pytest
from conftest import BUILD, DEVICE, PATIENCE, TOP, eventually, run
from test_parent import EDU, MESSAGE, PARENT, Program, Raw, memfd
from test_sandbox import DEEDS, ENV, REFUSED
from varlink import Client, VarlinkError

CULPRIT = BUILD / 'tests' / 'programs' / 'drivers' / 'culprit-parent.so'
IO = 'io.vgpud.Parent.'
SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'


class Parent(Program):
    """A vgpu-parent with a control socket, and no other unless `socket`."""

    def __init__(self, folder, *arguments, driver=EDU, public=False, env=None):
        self.control, self.socket = folder / 'pc.sock', folder / 'p.sock'
        command = [PARENT, '--driver', driver, '--parent-config', 'software', '--control-path', self.control,
                   '--log-level', 'debug', *arguments]
        if public:
            command += ['--socket-path', self.socket]
        super().__init__(folder, 'parent', 'env', *(f'{k}={v}' for k, v in (env or {}).items()), *command)
        self.wait_for('sharing')

    def call(self, method, **parameters):
        with Client(self.control) as client:
            return client.call(IO + method, **parameters)

    def refused(self, method, **parameters):
        with pytest.raises(VarlinkError) as e:
            self.call(method, **parameters)
        return e.value.error.removeprefix(IO), e.value.parameters

    def introduce(self, **parameters):
        """The worker's end of the connection."""
        with Client(self.control) as client:
            reply = client.call(IO + 'Introduce', **parameters)
            return client.fds[reply['connection']]

    def raw(self, fd):
        """A worker of our own on an introduced connection."""
        it = Raw.__new__(Raw)
        it.sock = socket.socket(fileno=fd)
        it.sock.settimeout(PATIENCE)
        it.calls, it.seq = None, 0
        return it

    def instances(self):
        return self.call('GetInfo')['instances']

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.running():
            status = self.end()
            assert kind is not None or status == 0, self.log()


@pytest.fixture
def parent(tmp_path):
    with Parent(tmp_path) as it:
        yield it


# ---- introductions ---------------------------------------------------------

def test_introspection(parent):
    with Client(parent.control) as client:
        text = client.call('org.varlink.service.GetInterfaceDescription', interface='io.vgpud.Parent')['description']
    assert text == (TOP / 'src/control/io.vgpud.Parent.varlink').read_text()
    info = parent.call('GetInfo')
    assert (info['driver'], info['config'], info['socket'], info['pid']) == \
        ('edu', 'software', None, parent.process.pid)
    assert os.stat(parent.control).st_mode & 0o777 == 0o600


def test_an_introduced_worker_serves(parent, tmp_path):
    fd = parent.introduce(uuid=SOME, type='edu', weight=300, cap=50)
    worker = Program.__new__(Program)
    worker.log_path = tmp_path / 'w.log'
    with open(worker.log_path, 'wb') as log:
        worker.process = subprocess.Popen(
            [DEVICE, '--type', 'edu', '--driver', EDU, '--uuid', SOME, '--parent-fd', str(fd), '--sandbox', 'auto',
             '--socket-path', tmp_path / 'w.sock', '--control-path', tmp_path / 'wc.sock'], stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[fd])
    os.close(fd)
    worker.wait_for('serving')
    one, = parent.instances()
    assert (one['uuid'], one['weight'], one['cap'], one['introduced'], one['connected']) == (SOME, 300, 50, True, True)
    client = Program(tmp_path, 'c', BUILD / 'tests/guest/educlient', tmp_path / 'w.sock', 1, 3)
    assert client.process.wait(60) == 0, client.log()
    with Client(tmp_path / 'wc.sock') as control:
        (used,) = control.call('io.vgpud.Device.Stats')['engines']
    assert 0 < used < 60e9
    assert worker.end() == 0
    eventually(lambda: parent.instances() == [])


def test_it_can_neither_be_another_nor_have_more(parent):
    name = uuid.UUID(SOME)
    for lie in ({'name': uuid.uuid4()}, {'name': name, 'vgpu_type': b'other'}):
        raw = parent.raw(parent.introduce(uuid=SOME, type='edu'))
        assert raw.hello(**lie) == errno.EACCES
        assert raw.gone()
        raw.close()
    raw = parent.raw(parent.introduce(uuid=SOME, type='edu', weight=2, pinned_limit=8192))
    assert raw.hello(name=name, weight=10000) == 0
    assert parent.instances()[0]['weight'] == 2

    # More than it may pin it can't, whatever it says of budgets.
    fd = memfd()
    assert raw.memory(fd) == 0
    err, _, addrs = raw.map(0, 1)
    assert err == 0 and parent.instances()[0]['pinned'] == 8192
    assert raw.map(2)[0] == errno.EDQUOT
    parent.call('Change', uuid=SOME, pinned_limit=12288, weight=5)
    assert raw.map(2)[0] == 0
    assert raw.map(3)[0] == errno.EDQUOT
    parent.call('Change', uuid=SOME, pinned_limit=4096)
    assert raw.unmap(*addrs) == 0
    assert raw.map(0)[0] == errno.EDQUOT
    assert parent.instances()[0]['weight'] == 1  # its type's again
    os.close(fd)
    raw.close()
    eventually(lambda: parent.instances() == [])


def test_terms_that_cannot_be(parent):
    assert parent.refused('Introduce', uuid=SOME, type='other') == ('NoSuchType', {'type': 'other'})
    for wrong in ({'weight': 10001}, {'weight': -1}, {'cap': 101}, {'cap': -1}, {'pinned_limit': -1}, {'uuid': 'x'}):
        error, parameters = parent.refused('Introduce', **{'uuid': SOME, 'type': 'edu', **wrong})
        assert (error, parameters['parameter']) == ('org.varlink.service.InvalidParameter', list(wrong)[0])
    assert parent.refused('Change', uuid=SOME, weight=1) == ('NoSuchInstance', {'uuid': SOME})
    assert parent.instances() == []


def test_the_end_is_noticed_by_who_subscribes(parent):
    with Client(parent.control) as client:
        client.send({'method': IO + 'Subscribe', 'parameters': {}, 'more': True})
        assert client.receive()['parameters'] == {'control': str(parent.control), 'config': 'software'}
        assert parent.end() == 0
        with pytest.raises(EOFError):
            client.receive()
    assert not parent.control.exists()


def test_as_many_as_there_can_be(parent):
    fds = []
    with pytest.raises(VarlinkError) as e:
        for _ in range(300):
            fds.append(parent.introduce(uuid=str(uuid.uuid4()), type='edu'))
    assert 'as many vGPUs' in e.value.parameters['message'] and len(fds) == 256
    for fd in fds:
        os.close(fd)
    eventually(lambda: parent.instances() == [])


def test_weight_of_one_that_connects_by_itself(tmp_path):
    with Parent(tmp_path, public=True) as parent:
        worker = Program(tmp_path, 'w', DEVICE, '--type', 'edu', '--driver', EDU, '--parent-socket', parent.socket,
                         '--socket-path', tmp_path / 'w.sock', '--weight', 77, '--cap', 5, '--uuid', SOME)
        worker.wait_for('serving')
        one, = parent.instances()
        assert (one['weight'], one['cap'], one['introduced'], one['pinned_limit']) == (77, 5, False, None)
        assert parent.refused('Change', uuid=SOME, weight=1)[0] == 'NoSuchInstance'
        assert worker.end() == 0


def test_wrong_command_lines(tmp_path):
    base = [DEVICE, '--driver', EDU, '--type', 'edu', '--socket-path', tmp_path / 's']
    for arguments, status, text in (
            (['--weight', '3'], 2, 'go with --parent-socket'), (['--parent-socket', 'p', '--weight', '0'], 2, '1 to 10000'),
            (['--parent-socket', 'p', '--cap', '101'], 2, '1 to 100'),
            (['--parent-socket', 'p', '--parent-fd', '5'], 2, 'exclude each other'),
            (['--parent-fd', '77'], 4, 'no such file descriptor'), (['--parent-fd', 'x'], 2, 'not the number')):
        done = run(*base, *arguments)
        assert done.returncode == status and text in done.stderr, done.stderr
    base = [PARENT, '--driver', EDU, '--parent-config', 'software']
    for arguments, text in ((['--control-path', 'x', '--socket-path', 'x'], 'are the same'),
                            (['--control-path', 'x', '--sandbox', 'tight'], 'none, auto, strict')):
        done = run(*base, *arguments)
        assert done.returncode == 2 and text in done.stderr, done.stderr


# ---- the sandbox -----------------------------------------------------------

def strict(folder, mode='strict'):
    return Parent(folder, '--sandbox', mode, driver=CULPRIT, env=ENV)


def deed(parent, name):
    """What came of it in the parent half: 0, or an errno."""
    raw = parent.raw(parent.introduce(uuid=SOME, type='culprit-parent'))
    assert raw.hello(name=uuid.UUID(SOME), vgpu_type=b'culprit-parent') == 0
    raw.sock.sendall(Raw.frame(MESSAGE, struct.pack('<I', DEEDS.index(name) + 1)))
    message = Raw.receive(raw.sock)
    raw.close()
    return struct.unpack('<I', message[2])[0] if message else None


def test_what_the_kernel_says_of_it(tmp_path):
    with strict(tmp_path) as parent:
        with open(f'/proc/{parent.process.pid}/status') as file:
            seen = dict(re.findall(r'^(\w+):\s*(.*)$', file.read(), re.M))
        assert seen['NoNewPrivs'] == '1' and seen['Seccomp'] == '2'
        assert all(int(seen[which], 16) == 0 for which in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb'))
        assert 'degraded' not in parent.log()


def test_a_parent_half_taken_over_is_refused(tmp_path):
    with strict(tmp_path) as parent:
        for name in DEEDS:
            result = deed(parent, name)
            if name in ('harmless', 'device ioctl'):  # what sharing hardware needs
                assert result == 0, name
            else:
                assert result in REFUSED, (name, result)
        assert parent.end() == 0
        assert not parent.control.exists()


def test_without_it_the_same_works(tmp_path):
    """So that the test above shows the sandbox, and no accident."""
    with strict(tmp_path, 'none') as parent:
        for name in ('inet socket', 'unix socket', 'read passwd', 'write tmp', 'fork', 'code', 'signal', 'other ioctl',
                     'device ioctl'):
            assert deed(parent, name) == 0, name


def test_work_is_done_in_it(tmp_path):
    with Parent(tmp_path, '--sandbox', 'strict', public=True, env=ENV) as parent:
        worker = Program(tmp_path, 'w', DEVICE, '--type', 'edu', '--driver', EDU, '--parent-socket', parent.socket,
                         '--socket-path', tmp_path / 'w.sock')
        worker.wait_for('serving')
        client = Program(tmp_path, 'c', BUILD / 'tests/guest/educlient', tmp_path / 'w.sock', 1, 10, 'unmap')
        assert client.process.wait(60) == 0, client.log()
        assert worker.end() == 0


def test_a_crash_in_it_leaves_a_back_trace(tmp_path):
    parent = strict(tmp_path)
    raw = parent.raw(parent.introduce(uuid=SOME, type='culprit-parent'))
    assert raw.hello(name=uuid.UUID(SOME), vgpu_type=b'culprit-parent') == 0
    raw.sock.sendall(Raw.frame(MESSAGE, struct.pack('<I', len(DEEDS) + 1)))
    assert raw.gone()
    assert parent.process.wait(PATIENCE) == -6 or 'Sanitizer' in parent.log()
    if 'Sanitizer' not in parent.log():  # it has a back trace of its own
        assert 'vgpu-parent: crashed: SIGABRT' in parent.log() and 'culprit-parent.so(' in parent.log()
    raw.close()
