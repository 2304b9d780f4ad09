# SPDX-License-Identifier: MIT
"""vgpu-tree: the tree of mediated devices over a real vgpud, and Debian's mdevctl on it."""
import errno
import json
import os
import re
import subprocess

import pytest
from conftest import BUILD, TOP, eventually, run
from daemon import Vgpud
from vuser.client import Client as VfioUser

TREE = BUILD / 'programs' / 'vgpu-tree' / 'vgpu-tree'
MDEVCTL = TOP / 'build' / 'lab' / 'mdevctl'
A, B = '5f0c6a1e-9d1b-4c55-8b1a-0123456789ab', '0a0c6a1e-9d1b-4c55-8b1a-0123456789ab'
CONFIG = '''[parent soft]
driver = bochs
description = Software displays
vram = 64M
max-instances = 3
'''

pytestmark = [
    pytest.mark.skipif(not TREE.exists(), reason='built without libfuse3'),
    pytest.mark.skipif(not os.access('/dev/fuse', os.R_OK | os.W_OK), reason='there is no /dev/fuse for us here'),
]


def unmount(folder):
    subprocess.run(['umount', folder] if os.geteuid() == 0 else ['fusermount3', '-u', folder], check=True)


@pytest.fixture
def vgpud():
    with Vgpud(CONFIG) as it:
        yield it


@pytest.fixture
def tree(vgpud):
    folder = vgpud.top / 'm'
    folder.mkdir()
    process = subprocess.Popen([TREE, '-f', '--vgpud', vgpud.control, folder], stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    eventually(lambda: process.poll() is not None or os.path.ismount(folder))
    if process.poll() is not None:
        said = process.stderr.read()
        pytest.skip(f'file systems cannot be mounted here: {said}') if 'cannot mount' in said else pytest.fail(said)
    yield folder
    unmount(folder)
    assert process.wait(20) == 0
    process.stderr.close()


def write(path, text):
    """One write, as a shell's echo; the errno, 0: none."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text.encode())
    except OSError as e:
        return e.errno
    finally:
        os.close(fd)
    return 0


def of_type(tree, name='bochs-bochs-16m'):
    return tree / 'class' / 'mdev_bus' / 'soft' / 'mdev_supported_types' / name


def test_the_shape(tree):
    assert sorted(os.listdir(tree)) == ['bus', 'class', 'devices', 'etc', 'sys', 'usr']
    assert os.listdir(tree / 'class' / 'mdev_bus') == ['soft'] and (tree / 'class/mdev_bus/soft').is_symlink()
    here = of_type(tree)
    assert sorted(os.listdir(here)) == ['available_instances', 'create', 'description', 'device_api', 'devices', 'name']
    assert (here / 'available_instances').read_text() == '3\n'
    assert (here / 'device_api').read_text() == 'vfio-pci\n'
    assert (here / 'name').read_text() == 'bochs-16m\n'
    assert re.fullmatch(r'[^\n]+\n', (here / 'description').read_text())
    assert os.listdir(here / 'devices') == os.listdir(tree / 'bus/mdev/devices') == []
    assert os.path.samefile(tree / 'sys' / 'class', tree / 'class')
    for name, mode in (('create', 0o200), ('name', 0o444), ('devices', 0o755)):
        assert os.stat(here / name).st_mode & 0o777 == mode, name
    for folder in ('usr/lib', 'etc'):
        folder += '/mdevctl.d' if folder == 'etc' else '/mdevctl'
        assert sorted(os.listdir(tree / folder / 'scripts.d')) == ['callouts', 'notifiers']


def test_create_and_remove(tree, vgpud):
    create = of_type(tree) / 'create'
    assert write(create, A + '\n') == 0
    device = tree / 'bus' / 'mdev' / 'devices' / A
    assert sorted(os.listdir(device)) == ['mdev_type', 'remove']
    assert os.path.samefile(device / 'mdev_type', of_type(tree))
    assert os.path.samefile(of_type(tree) / 'devices' / A, device)
    assert os.path.realpath(device) == str(tree / 'devices' / 'vgpud' / 'soft' / A)
    assert vgpud.ask('show', A)['state'] == 'active'
    assert (of_type(tree) / 'available_instances').read_text() == '2\n'
    assert write(create, A) == errno.EEXIST
    assert write(of_type(tree, 'bochs-bochs-32m') / 'create', A) == errno.EEXIST
    assert write(create, B.upper()) == 0
    assert os.listdir(tree / 'bus/mdev/devices') == sorted([A, B])
    assert write(device / 'remove', '0') == 0 and device.exists()
    assert write(device / 'remove', '1\n') == 0
    assert not device.exists() and os.listdir(of_type(tree) / 'devices') == [B]
    assert [i['uuid'] for i in vgpud.ask('list')['instances']] == [B]


@pytest.mark.parametrize('text', ['', '\n', 'x', A[:-1], A + 'a', A + '\n\n', A.replace('-', 'a'), 'g' + A[1:], A + ' ',
                                  '../' + A[3:], '\0' * 36])
def test_malformed_uuids(tree, vgpud, text):
    fd = os.open(of_type(tree) / 'create', os.O_WRONLY)
    if text:
        with pytest.raises(OSError) as e:
            os.write(fd, text.encode())
        assert e.value.errno == errno.EINVAL
    os.close(fd)
    assert vgpud.ask('list')['instances'] == []


@pytest.mark.parametrize('text', ['yes', '-1', '1 1', '1' * 40])
def test_remove_takes_numbers_only(tree, text):
    assert write(of_type(tree) / 'create', A) == 0
    assert write(tree / 'bus/mdev/devices' / A / 'remove', text) == errno.EINVAL
    assert (tree / 'bus/mdev/devices' / A).exists()


def test_an_exhausted_type(tree):
    for i in range(3):
        assert write(of_type(tree) / 'create', f'{i}{A[1:]}') == 0
    assert (of_type(tree) / 'available_instances').read_text() == '0\n'
    assert write(of_type(tree) / 'create', 'a' + A[1:]) == errno.EUSERS


def test_one_that_is_used_is_not_removed(tree, vgpud):
    assert write(of_type(tree) / 'create', A) == 0
    client = VfioUser(vgpud.ask('show', A)['socket'])
    client.version()
    eventually(lambda: vgpud.ask('show', A)['state'] == 'attached')
    assert write(tree / 'bus/mdev/devices' / A / 'remove', '1') == errno.EBUSY
    client.close()
    eventually(lambda: vgpud.ask('show', A)['state'] == 'active')
    assert write(tree / 'bus/mdev/devices' / A / 'remove', '1') == 0


def test_what_others_do_is_seen(tree, vgpud):
    assert not (tree / 'bus/mdev/devices' / A).exists()
    assert vgpud.ctl('create', 'bochs-16m', '-u', A).returncode == 0
    eventually((tree / 'bus/mdev/devices' / A).exists)
    assert vgpud.ctl('stop', A).returncode == 0
    eventually(lambda: not (tree / 'bus/mdev/devices' / A).exists())
    assert write(of_type(tree) / 'create', A) == 0, 'it is defined: create starts it'
    assert vgpud.ask('show', A)['state'] == 'active'


def test_it_outlives_vgpud(tree, vgpud):
    assert write(of_type(tree) / 'create', A) == 0
    vgpud.end()
    with pytest.raises(OSError) as e:
        os.listdir(tree / 'class' / 'mdev_bus')
    assert e.value.errno == errno.EIO
    vgpud.start()
    assert os.listdir(tree / 'bus/mdev/devices') == [A]


def test_nothing_else_can_be_changed(tree):
    here = of_type(tree)
    for name in ('name', 'available_instances'):
        with open(here / 'create', 'wb'), pytest.raises(OSError):
            open(here / name, 'wb').write(b'9')
    for change in (lambda: os.unlink(here / 'create'), lambda: os.mkdir(tree / 'x'), lambda: os.rmdir(here),
                   lambda: (here / 'x').touch(), lambda: os.rename(here, tree / 'x'), lambda: os.symlink('x', tree / 'x'),
                   lambda: (tree / 'etc/mdevctl.d/soft/readme').touch(), lambda: os.rmdir(tree / 'etc/mdevctl.d/soft')):
        with pytest.raises(OSError):
            change()


def definition(tree, uuid=A):
    return tree / 'etc' / 'mdevctl.d' / 'soft' / uuid


def test_definitions_are_files(tree, vgpud):
    with open(definition(tree), 'w', encoding='ascii') as f:
        for part in ('{"mdev_type": "bochs-', 'bochs-16m", "start": "auto", "at', 'trs": []}'):
            assert not [i for i in vgpud.ask('list')['instances']]
            f.write(part)
            f.flush()
    one = vgpud.ask('show', A)
    assert (one['type'], one['autostart'], one['state']) == ('bochs-16m', True, 'defined')
    assert json.loads(definition(tree).read_text()) == {'mdev_type': 'bochs-bochs-16m', 'start': 'auto', 'attrs': []}
    definition(tree).write_text('{"mdev_type": "bochs-bochs-32m", "start": "manual", "attrs": []}')
    one = vgpud.ask('show', A)
    assert (one['type'], one['autostart']) == ('bochs-32m', False)
    definition(tree).unlink()
    assert vgpud.ask('list')['instances'] == [] and os.listdir(tree / 'etc/mdevctl.d/soft') == []


@pytest.mark.parametrize('text, error', [
    ('[]', errno.EINVAL), ('nonsense', errno.EINVAL), ('{}', errno.ENODEV), ('{"mdev_type": "nix"}', errno.ENODEV),
    ('{"mdev_type": "bochs-bochs-16m", "attrs": [{"a": "b"}]}', errno.EINVAL), ('{' + ' ' * 5000, errno.EFBIG),
])
def test_bad_definitions(tree, vgpud, text, error):
    fd = os.open(definition(tree), os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError) as e:
        os.write(fd, text.encode())
    os.close(fd)
    assert e.value.errno == error and vgpud.ask('list')['instances'] == [] and not definition(tree).exists()


def test_it_goes_into_the_background(vgpud):
    folder = vgpud.top / 'bg'
    folder.mkdir()
    done = run(TREE, '--vgpud', vgpud.control, folder)
    if 'cannot mount' in done.stderr:
        pytest.skip('file systems cannot be mounted here')
    assert done.returncode == 0
    assert os.listdir(folder / 'class' / 'mdev_bus') == ['soft']
    unmount(folder)


@pytest.mark.parametrize('arguments, status, phrase', [
    ([], 2, 'where?'), (['a', 'b'], 2, 'where?'), (['--odd', 'x'], 2, 'odd'), (['--vgpud', '/nowhere', '/tmp'], 1, '/nowhere'),
])
def test_wrong_command_lines(arguments, status, phrase):
    done = run(TREE, *arguments)
    assert done.returncode == status and phrase in done.stderr


def test_an_unfit_folder(vgpud):
    done = run(TREE, '-f', '--vgpud', vgpud.control, vgpud.top / 'none')
    assert done.returncode == 1 and str(vgpud.top / 'none') in done.stderr


# ---- Debian's own tool ------------------------------------------------------------------------------------------

@pytest.fixture
def mdevctl(tree):
    if not MDEVCTL.exists():
        pytest.skip('mdevctl is not here: scripts/lab fetches it')

    def call(*arguments, status=0):
        done = run(MDEVCTL, *arguments, env={'MDEVCTL_ENV_ROOT': str(tree)})
        assert done.returncode == status, done
        return done.stdout if not status else done.stderr
    return call


def test_mdevctl_is_debian_13s(mdevctl):
    assert mdevctl('--version').split()[-1].startswith('1.4')


def test_mdevctl_lives_a_life(mdevctl, vgpud):
    types = mdevctl('types')
    assert 'soft' in types and 'Available instances: 3' in types and 'Device API: vfio-pci' in types
    mdevctl('define', '-u', A, '-p', 'soft', '-t', 'bochs-bochs-16m', '--auto')
    assert mdevctl('list', '-d').split() == [A, 'soft', 'bochs-bochs-16m', 'auto']
    assert vgpud.ask('show', A)['autostart'] is True
    mdevctl('start', '-u', A)
    assert vgpud.ask('show', A)['state'] == 'active'
    assert mdevctl('list').split()[:3] == [A, 'soft', 'bochs-bochs-16m']
    mdevctl('stop', '-u', A)
    assert vgpud.ask('show', A)['state'] == 'defined' and mdevctl('list') == ''
    mdevctl('modify', '-u', A, '--manual')
    assert mdevctl('list', '-d').split()[-1] == 'manual'
    mdevctl('undefine', '-u', A)
    assert vgpud.ask('list')['instances'] == [] and mdevctl('list', '-d') == ''


def test_mdevctl_starts_a_transient_one(mdevctl, vgpud):
    mdevctl('start', '-p', 'soft', '-t', 'bochs-bochs-16m', '-u', A)
    assert mdevctl('list').split()[:3] == [A, 'soft', 'bochs-bochs-16m'] and mdevctl('list', '-d') == ''
    mdevctl('stop', '-u', A)
    assert vgpud.ask('list')['instances'] == []


def test_mdevctl_is_told_what_is_wrong(mdevctl, vgpud):
    assert 'No such device' in mdevctl('define', '-u', A, '-p', 'soft', '-t', 'bochs-nix', status=1)
    for i in range(3):
        mdevctl('start', '-p', 'soft', '-t', 'bochs-bochs-16m', '-u', f'{i}{A[1:]}')
    mdevctl('start', '-p', 'soft', '-t', 'bochs-bochs-16m', '-u', 'a' + A[1:], status=1)
    assert len(vgpud.ask('list')['instances']) == 3


def test_what_mdevctl_has_can_be_imported(mdevctl, tree, vgpud, tmp_path):
    """What it dumps of defined ones, of those that run, and its files."""
    dumped, file = tmp_path / 'dump', tmp_path / A

    def imported(path):
        done = vgpud.ask('import', path)['instances']
        assert [i['uuid'] for i in done] == [A] and done[0]['type'] == 'bochs-16m' and done[0]['state'] == 'defined'
        vgpud.ask('remove', A)
        return done[0]['autostart']
    mdevctl('define', '-u', A, '-p', 'soft', '-t', 'bochs-bochs-16m', '--auto')
    dumped.write_text(mdevctl('list', '-d', '--dumpjson'))
    file.write_bytes(definition(tree).read_bytes())
    mdevctl('undefine', '-u', A)
    assert imported(dumped) is True and imported(file) is True
    mdevctl('start', '-u', A, '-p', 'soft', '-t', 'bochs-bochs-16m')
    dumped.write_text(mdevctl('list', '--dumpjson'))
    mdevctl('stop', '-u', A)
    assert imported(dumped) is False
