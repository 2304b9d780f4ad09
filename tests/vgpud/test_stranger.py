# SPDX-License-Identifier: MIT
"""Other users, and disks as they are: full, read-only, of somebody else. Most of it takes root to try."""
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import PATIENCE, VGPUD, Daemon, eventually, runs
from varlink import Client
from vuser.client import Client as VfioUser

IO = 'io.vgpud.Manager.'
SOME = '6f1c20d2-8a3b-4c5d-9e7f-001122334455'
USER = 12345
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason='takes root to try')


def can_mount():
    done = subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], capture_output=True, check=False)
    return done.returncode == 0


MOUNTS = pytest.mark.skipif(os.geteuid() != 0 or not can_mount(), reason='nothing can be mounted here')


# ---- users -----------------------------------------------------------------

class Stranger:
    """An ordinary user's vgpud, with nothing but a home."""

    def __init__(self, runtime=True):
        self.top = Path(tempfile.mkdtemp(prefix='vgpud-'))
        os.chown(self.top, USER, USER)
        self.top.chmod(0o755)
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(self.top), 'USER': 'stranger'}
        self.folder = Path(f'/tmp/vgpud-{USER}')
        if runtime:
            (self.top / 'run').mkdir(mode=0o700)
            os.chown(self.top / 'run', USER, USER)
            self.env['XDG_RUNTIME_DIR'] = str(self.top / 'run')
            self.folder = self.top / 'run' / 'vgpud'
        self.log_path = self.top / 'log'
        for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS'):
            if name in os.environ:
                self.env[name] = os.environ[name]
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([VGPUD], env=self.env, user=USER, group=USER, extra_groups=[], cwd='/',
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: 'ready:' in self.log() or self.process.poll() is not None)

    def log(self):
        return self.log_path.read_text(errors='replace')

    def call(self, method, **parameters):
        with Client(self.folder / 'control.sock') as client:
            return client.call(IO + method, **parameters)

    def close(self):
        if self.process.poll() is None:
            for one in self.call('List')['instances']:
                self.call('Remove', name=one['uuid'], force=True)
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0, self.log()
        shutil.rmtree(self.top)


@pytest.fixture
def reachable():
    """The build must be one that others may execute."""
    done = subprocess.run([VGPUD, '--version'], user=USER, group=USER, extra_groups=[], capture_output=True, cwd='/',
                          check=False) if os.geteuid() == 0 else None
    if not done or done.returncode:
        pytest.skip('other users cannot execute what is built here')


@ROOT
@pytest.mark.parametrize('runtime', [True, False])
def test_an_ordinary_user_with_nothing_configured(reachable, runtime):
    if not runtime:
        shutil.rmtree(f'/tmp/vgpud-{USER}', ignore_errors=True)
    it = Stranger(runtime)
    try:
        assert it.process.poll() is None, it.log()
        assert {t['name'] for t in it.call('ListTypes')['types']} >= {'bochs-16m', 'bochs-256m'}
        one = it.call('Create', type='bochs-16m', label='desk')['instance']
        assert one['state'] == 'active' and os.stat(f'/proc/{one["worker"]}').st_uid == USER
        assert os.stat(it.folder).st_mode & 0o777 == 0o700 and os.stat(one['socket']).st_mode & 0o777 == 0o600
        with VfioUser(one['socket']) as client:
            client.version()
            client.read(7, 0, 4)
        assert (it.top / '.local/state/vgpud' / (one['uuid'] + '.json')).exists()
        assert it.call('Diagnose')['problems'] == []
        assert 'degraded' not in Path(it.folder / one['uuid'] / 'log').read_text()
    finally:
        it.close()
        if not runtime:
            shutil.rmtree(it.folder)


@ROOT
@pytest.mark.parametrize('make', ['root', 'everybody', 'link'])
def test_a_runtime_folder_that_somebody_else_made(reachable, make):
    folder = Path(f'/tmp/vgpud-{USER}')
    shutil.rmtree(folder, ignore_errors=True)
    elsewhere = Path(tempfile.mkdtemp(prefix='vgpud-'))
    if make == 'link':
        os.chown(elsewhere, USER, USER)
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        os.chown(folder, 0 if make == 'root' else USER, 0)
        folder.chmod(0o777)
    it = Stranger(False)
    try:
        assert it.process.wait(PATIENCE) == 1
        assert f'{folder}: has to be a folder that belongs to uid {USER}' in it.log()
        assert list(elsewhere.iterdir()) == []
    finally:
        it.close()
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
        elsewhere.rmdir()


# ---- disks -----------------------------------------------------------------

class Elsewhere(Daemon):
    """A vgpud that sees file systems of its own in the place of its folders."""

    def __init__(self, mounts):
        super().__init__()
        self.mounts = [m.format(state=self.state, runtime=self.runtime) for m in mounts]
        for folder in (self.state, self.runtime):
            folder.mkdir()

    def command(self):
        script = ''.join(f'mount {m} && ' for m in self.mounts) + 'exec "$@"'
        return ['unshare', '-m', 'sh', '-c', script, 'sh']

    def launch(self, *arguments, **options):
        super().launch(*arguments, prefix=self.command(), **options)

    def inside(self, path):
        return Path(f'/proc/{self.process.pid}/root{path}')

    def connect(self):
        return Client(self.inside(self.runtime) / 'control.sock')

    def workers(self):
        """Those that are ours: their folders are not to be seen from here."""
        children = subprocess.run(['pgrep', '-f', str(self.runtime)], capture_output=True, text=True, check=False)
        return [p for p in map(int, children.stdout.split()) if p != self.process.pid and runs(p)]


@pytest.fixture
def elsewhere():
    daemons = []

    def make(*mounts):
        daemons.append(Elsewhere(mounts))
        return daemons[-1]
    yield make
    for daemon in daemons:
        daemon.clean_up()


def fill(folder):
    """Until nothing fits."""
    with open(folder / 'filler', 'wb', buffering=0) as file:
        try:
            while file.write(b'x' * 4096):
                pass
        except OSError:
            pass


@MOUNTS
def test_a_full_disk(elsewhere):
    daemon = elsewhere('-t tmpfs -o size=64k tmpfs {state}')
    daemon.start()
    before = daemon.create()
    fill(daemon.inside(daemon.state))
    for method in ('Define', 'Create'):
        error, parameters = daemon.refused(method, type='bochs-16m', uuid=SOME)
        assert error == 'Failed' and 'No space left' in parameters['message'] and str(daemon.state) in parameters['message']
    assert daemon.refused('Modify', name=before['uuid'], label='new')[0] == 'Failed'
    assert [i['uuid'] for i in daemon.list()] == [before['uuid']]
    assert {p.name for p in daemon.inside(daemon.state).iterdir()} == {before['uuid'] + '.json', 'filler'}
    assert len(daemon.workers()) == 1
    # Removing takes no room.
    daemon.call('Remove', name=before['uuid'])
    (daemon.inside(daemon.state) / 'filler').unlink()
    assert daemon.create(uuid=SOME)['state'] == 'active'


@MOUNTS
def test_a_runtime_folder_that_is_full(elsewhere):
    daemon = elsewhere('-t tmpfs -o nr_inodes=12,mode=700 tmpfs {runtime}')
    daemon.start()
    good = daemon.create()
    error, parameters = daemon.refused('Create', type='bochs-16m', uuid=SOME)
    assert error == 'Failed' and 'No space left on device' in parameters['message'], parameters
    assert str(daemon.runtime / SOME) in parameters['message']
    assert [i['uuid'] for i in daemon.list()] == [good['uuid']] and len(daemon.workers()) == 1
    assert not daemon.inside(daemon.runtime / SOME).exists()
    daemon.call('Remove', name=good['uuid'])
    assert daemon.create(uuid=SOME)['state'] == 'active'


@MOUNTS
def test_a_read_only_state(elsewhere):
    daemon = elsewhere('--bind {state} {state}', '-o remount,bind,ro {state}')
    (daemon.state / (SOME + '.json')).write_text(
        f'{{"uuid": "{SOME}", "type": "bochs-16m", "parent": "soft", "autostart": true}}')
    daemon.start()
    daemon.wait_state(SOME, 'active')
    for method, parameters in (('Create', {'type': 'bochs-16m'}), ('Define', {'type': 'bochs-16m'}),
                               ('Modify', {'name': SOME, 'label': 'x'}), ('Remove', {'name': SOME})):
        error, said = daemon.refused(method, **parameters)
        assert error == 'Failed' and 'Read-only file system' in said['message'], said
        if method == 'Remove':
            assert f'it is not removed: its definition {daemon.state}/{SOME}.json' in said['message']
            assert 'make that file system writable, and remove it again' in said['message']
    assert [i['state'] for i in daemon.list()] == ['active']
    # What is not stored can be had all the same.
    assert daemon.create(transient=True)['state'] == 'active'


@MOUNTS
@pytest.mark.parametrize('which', ['state', 'runtime'])
def test_folders_that_cannot_be_made(elsewhere, which):
    daemon = elsewhere(f'--bind {{{which}}} {{{which}}}', f'-o remount,bind,ro {{{which}}}')
    if which == 'state':
        daemon.state /= 'new'
    daemon.launch()
    assert daemon.process.wait(PATIENCE) == 1
    assert 'Read-only file system' in daemon.log() and str(getattr(daemon, which)) in daemon.log()


@MOUNTS
def test_as_the_system_has_it(elsewhere):
    """Root's own folders, with nothing configured."""
    daemon = elsewhere('-t tmpfs tmpfs /run', '-t tmpfs tmpfs /var/lib', '-t tmpfs tmpfs /etc/vgpud')
    Path('/etc/vgpud').mkdir(exist_ok=True)
    daemon.runtime = Path('/run/vgpud')
    with open(daemon.log_path, 'ab') as log:
        daemon.process = subprocess.Popen([*daemon.command(), VGPUD], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    eventually(lambda: 'ready:' in daemon.log() or daemon.process.poll() is not None)
    one = daemon.create()
    assert one['socket'] == f'/run/vgpud/{one["uuid"]}/vfio-user.sock'
    assert daemon.inside(f'/var/lib/vgpud/{one["uuid"]}.json').exists()
    assert os.stat(daemon.inside('/run/vgpud/control.sock')).st_mode & 0o777 == 0o600
    with VfioUser(daemon.inside(one['socket'])) as client:
        client.version()
        daemon.wait_state(one['uuid'], 'attached')
    daemon.call('Remove', name=one['uuid'], force=True)
    daemon.end(signal.SIGTERM)
