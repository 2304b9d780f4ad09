# SPDX-License-Identifier: MIT
"""Two VMs on vGPUs that vgpud keeps: three of two parents in one, one in the other. One worker is killed for good."""

import os
import shlex
import signal

import pytest

from lib import card, paths
from lib.linux import LinuxGuest
from lib.manager import Vgpud

pytestmark = pytest.mark.kernel

CONFIG = '''[parent left]
driver = bochs
[parent right]
driver = bochs
types = bochs-16m
'''
# Label, parent, type. Names of the others begin with their VM's.
VGPUS = [('work-desk', 'left', 'bochs-16m'), ('work-wall', 'left', 'bochs-32m'), ('work-side', 'right', 'bochs-16m'),
         ('home-desk', 'right', 'bochs-16m')]
VICTIM = 'work-wall'
KERNEL = '6.12'


@pytest.fixture
def vgpud(folder):
    with Vgpud(folder, CONFIG) as it:
        yield it
        it.stop()


class Screens:
    """A guest's screens by their vGPUs' labels. Each shows test cards of a number series of its own."""

    def __init__(self, guest, vgpud, labels, first):
        self.guest, self.vgpud = guest, vgpud
        self.cards = {}
        places = {d['qdev_id']: d['slot'] for bus in guest.qmp.execute('query-pci') for d in bus['devices']}
        for i, label in enumerate(labels):
            slot = places['vgpu-' + vgpud.ask('show', label)['uuid']]
            device = guest.run(f'ls /sys/bus/pci/devices/0000:00:{slot:02x}.0/drm').split()[0]
            self.cards[label] = first + 100 * i
            guest.run(f'testcard --hold --device /dev/dri/{device} --frame {first + 100 * i} '
                      f'> /tmp/{label}.log & echo $! > /tmp/{label}.pid')
        for label in labels:
            self._wait(label, 1)

    def _wait(self, label, count):
        """What the guest says of its picture number `count` there."""
        said = self.guest.run(
            f'n=0; until [ $(grep -c showing /tmp/{label}.log) -ge {count} ] || [ $n -ge 400 ]; do '
            f'n=$((n + 1)); usleep 50000; done; cat /tmp/{label}.log', 30)
        assert said.count('showing') >= count, f'{label}: {said}'
        return dict(field.split('=') for field in said.splitlines()[-1].split()[2:])

    def redraw(self, label):
        """The guest draws its next picture there, and the vGPU shows that one."""
        count = int(self.guest.run(f'grep -c showing /tmp/{label}.log')) + 1
        self.guest.run(f'kill -USR1 $(cat /tmp/{label}.pid)')
        shown = self._wait(label, count)
        assert shown['drawn'] == shown['buffer']
        self.cards[label] += 1
        assert int(shown['frame']) == self.cards[label]
        self.check(label)

    def check(self, label):
        png = self.vgpud.runtime / f'{label}.png'
        self.vgpud.ctl('screenshot', label, '-o', png)
        card.compare(png, 'bochs-drm', self.cards[label])


def boot(folder, name, vgpud):
    """With what the operator pastes: all vGPUs whose labels begin with the VM's name."""
    own = folder / name
    own.mkdir()
    labels = [v[0] for v in VGPUS if v[0].startswith(name)]
    pasted = shlex.split(vgpud.ctl('attach-args', *labels, '--qemu', '--memory', '256M'))
    return LinuxGuest(own, KERNEL, pasted, ['bochs'], [paths.guest_program('testcard')], memory=[]), labels


def test_a_worker_is_killed_for_good_and_the_others_draw_on(folder, vgpud):
    for label, parent, kind in VGPUS:
        vgpud.ctl('create', kind, '--parent', parent, '--label', label, '--policy', 'fail')
    work, work_labels = boot(folder, 'work', vgpud)
    home, home_labels = boot(folder, 'home', vgpud)
    with work, home:
        work.ready()
        home.ready()
        screens = {**dict.fromkeys(work_labels, Screens(work, vgpud, work_labels, 1000)),
                   **dict.fromkeys(home_labels, Screens(home, vgpud, home_labels, 2000))}
        for label, screen in screens.items():
            screen.check(label)
            assert vgpud.ask('show', label)['client']['pid'] == screen.guest.vm.process.pid
        # All of this is done by workers in their sandboxes, which programs with a sanitizer can't have.
        for label in screens if 'san' not in paths.BUILD.name else ():
            with open(f'/proc/{vgpud.ask("show", label)["worker"]}/status', encoding='ascii') as status:
                assert 'NoNewPrivs:\t1' in (text := status.read()) and 'Seccomp:\t2' in text
        before = {label: vgpud.ask('show', label) for label in screens}
        assert {i['parent'] for label, i in before.items() if label in work_labels} == {'left', 'right'}

        os.kill(before[VICTIM]['worker'], signal.SIGKILL)
        dead = vgpud.wait_state(VICTIM, 'failed')
        assert 'SIGKILL' in dead['reason'], dead['reason']
        for label, screen in screens.items():
            if label == VICTIM:
                continue
            for _ in range(2):
                screen.redraw(label)
            now = vgpud.ask('show', label)
            assert now['state'] == 'attached' and now['worker'] == before[label]['worker'] and not now['restarts']
        # The guest that lost one gets through with it, too: nothing of it hangs.
        work.run(f'kill -9 $(cat /tmp/{VICTIM}.pid)')
        assert work.qmp.execute('query-status')['status'] == 'running'
