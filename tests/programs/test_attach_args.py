# SPDX-License-Identifier: MIT
"""What 'vgpuctl attach-args' prints, given to a real QEMU."""
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import SANITIZED, TOP, eventually, run
from daemon import Vgpud

sys.path.append(str(TOP / 'tests' / 'guest'))
from lib.qemu import Qemu, QmpError  # noqa: E402

QEMU = TOP / 'build' / 'lab' / 'qemu'
SCHEMA = Path('/usr/share/libvirt/schemas/domain.rng')
ARG = '{http://libvirt.org/schemas/domain/qemu/1.0}arg'

pytestmark = pytest.mark.skipif(not QEMU.exists(), reason='QEMU is not here: scripts/lab fetches it')
CONFIG = '[parent soft]\ndriver = bochs\n\n[parent test]\ndriver = testdev\n'


@pytest.fixture(scope='module')
def vgpud():
    with Vgpud(CONFIG) as it:
        yield it


@pytest.fixture
def desk(vgpud):
    vgpud.ask('create', 'bochs-16m', '--label', 'desk')
    yield lambda: vgpud.ask('show', 'desk')
    assert vgpud.ctl('remove', 'desk', '--force').returncode == 0


@pytest.fixture
def vm():
    with tempfile.TemporaryDirectory(prefix='vm-') as folder:
        machines = []

        def start(*arguments):
            machines.append(Qemu(Path(folder), list(arguments)))
            return machines[-1]
        yield start
        for machine in machines:
            machine.close()


def memory_findings(vgpud):
    findings = json.loads(vgpud.ctl('doctor', '-o', 'json').stdout)['findings']
    return [f for f in findings if f['check'] == 'memory']


def devices(vm):
    found = []

    def collect(bus):
        for device in bus['devices']:
            found.append((device['id']['vendor'], device['id']['device']))
            if 'pci_bridge' in device:
                collect(device['pci_bridge'])
    for bus in vm.qmp.execute('query-pci'):
        collect(bus)
    return found


@pytest.mark.parametrize('machine', ['q35', 'pc'])
def test_qemu_starts_with_it(vgpud, desk, vm, machine):
    done = vgpud.ctl('attach-args', 'desk', '--qemu', '--memory', '256M')
    assert done.returncode == 0 and not done.stderr
    it = vm('-machine', machine, *shlex.split(done.stdout))
    assert (0x1234, 0x1111) in devices(it)
    eventually(lambda: desk()['state'] == 'attached')
    assert desk()['client']['pid'] == it.process.pid
    eventually(lambda: vgpud.ask('stats', 'desk')['dma']['mapped'] >= 255 << 20)
    assert [f['result'] for f in memory_findings(vgpud)] == ['ok']
    top = vgpud.ask('top', '--delay', '0.1')['vgpus'][0]
    assert top['client'] == it.process.pid and top['mapped'] >= 255 << 20
    assert 'Another process is on desk' in vgpud.ctl('attach-args', 'desk', '--qemu').stderr
    refused = vgpud.ctl('stop', 'desk')
    assert refused.returncode == 1 and str(it.process.pid) in refused.stderr
    it.close()
    eventually(lambda: desk()['state'] == 'active')


def test_qemu_starts_with_several(vgpud, desk, vm):
    # UUIDs that begin alike: people number them so.
    names = [f'00000000-0000-4000-8000-00000000000{i}' for i in range(2)]
    for name in names:
        vgpud.ask('create', 'bochs-16m', '--uuid', name)
    it = vm('-machine', 'q35', *vgpud.ask('attach-args', 'desk', *names, '--qemu', '-m', '256M')['arguments'])
    assert devices(it).count((0x1234, 0x1111)) == 3
    for name in ('desk', *names):
        eventually(lambda: vgpud.ask('show', name)['state'] == 'attached')
    it.close()
    for name in names:
        assert vgpud.ctl('remove', name, '--force').returncode == 0


@pytest.mark.skipif(not SCHEMA.exists() or not shutil.which('xmllint'), reason='needs libvirt0 and libxml2-utils')
def test_libvirt_takes_it(vgpud, desk, tmp_path):
    domain = tmp_path / 'domain.xml'

    def verdict(elements):
        domain.write_text(f"<domain type='qemu'><name>x</name><memory>262144</memory>{elements}"
                          "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>")
        return run('xmllint', '--noout', '--relaxng', SCHEMA, domain)
    elements = vgpud.ctl('attach-args', 'desk', '--libvirt').stdout
    done = verdict(elements)
    assert done.returncode == 0, done.stderr
    # What libvirt hands over is what QEMU is given directly.
    arguments = [a.get('value') for a in ElementTree.parse(domain).iter(ARG)]
    assert arguments == vgpud.ask('attach-args', 'desk', '--qemu')['arguments'][-2:]
    assert verdict(elements.replace('qemu:arg', 'qemu:argument')).returncode, 'the schema would take anything'


@pytest.mark.parametrize('machine, bus', [('q35', 'rp1'), ('pc', 'pci.0')])
def test_a_running_vm_gets_it_by_qmp(vgpud, desk, vm, machine, bus):
    memory = ['-m', '256M', '-object', 'memory-backend-memfd,id=r,size=256M,share=on', '-machine',
              f'{machine},memory-backend=r']
    port = ['-device', 'pcie-root-port,id=rp1'] if machine == 'q35' else []
    it = vm(*memory, *port)
    assert desk()['state'] == 'active'
    command = vgpud.ask('attach-args', 'desk', '--qmp', '--bus', bus)
    it.qmp.execute(command['execute'], **command['arguments'])
    # Behind a port the guest's firmware finds it; here it is in QEMU's own list.
    assert 'vfio-user-pci' in it.qmp.human('info qtree')
    eventually(lambda: desk()['state'] == 'attached' and desk()['client']['pid'] == it.process.pid)


def test_a_bus_that_takes_nothing(vgpud, desk, vm):
    it = vm('-machine', 'q35')
    command = json.loads(vgpud.ctl('attach-args', 'desk', '--qmp').stdout)
    assert '--bus' in vgpud.ctl('attach-args', 'desk', '--qmp').stderr
    with pytest.raises(QmpError, match='hotplug'):
        it.qmp.execute(command['execute'], **command['arguments'])


def test_a_vm_without_shared_memory_is_found_out(vgpud, desk, vm):
    words = shlex.split(vgpud.ctl('attach-args', 'desk', '--qemu').stdout)
    it = vm('-machine', 'q35', '-m', '256M', *words[-2:])
    eventually(lambda: vgpud.ask('info', 'desk')['memory'] == 'none')
    done = vgpud.ctl('doctor', '--qemu', QEMU)
    assert done.returncode == 1 and 'share=on' in done.stdout and str(it.process.pid) in done.stdout
    assert 'QEMU 11.' in done.stdout


def test_a_vm_with_private_memory_is_found_out(vgpud, desk, vm):
    """The worker, in its sandbox, can't see it; who runs doctor can."""
    words = shlex.split(vgpud.ctl('attach-args', 'desk', '--qemu', '-m', '256M').stdout)
    it = vm('-machine', 'q35', *(w.replace('share=on', 'share=off') for w in words))
    eventually(lambda: vgpud.ask('stats', 'desk')['dma']['mapped'] >= 255 << 20)
    # The guest's firmware moves memory, which takes it out for a moment.
    wanted = 'private' if SANITIZED else 'unknown'
    eventually(lambda: vgpud.ask('info', 'desk')['memory'] == wanted, 'is there no sandbox?')
    it.qmp.execute('stop')
    eventually(lambda: vgpud.ask('info', 'desk')['memory'] == wanted, 'is there no sandbox?')
    bad = memory_findings(vgpud)
    assert [f['result'] for f in bad] == ['problem'] and 'privately' in bad[0]['message']
    assert str(it.process.pid) in bad[0]['message'] and 'share=on' in bad[0]['remedy']


def test_a_warning_where_qemu_would_abort(vgpud):
    types = [t['name'] for t in vgpud.ask('types', '--parent', 'test')['types']]
    warned = []
    for name in types:
        uuid = vgpud.ask('create', name, '--parent', 'test')['uuid']
        if 'MSI-X' in vgpud.ctl('attach-args', uuid, '--qmp').stderr:
            warned.append(name)
            assert vgpud.ask('info', uuid)['msix'] is True
        else:
            assert vgpud.ask('info', uuid)['msix'] is False
        vgpud.ctl('remove', uuid)
    assert warned
