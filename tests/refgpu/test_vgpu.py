# SPDX-License-Identifier: MIT
"""A vGPU of the reference GPU, through the whole stack: client, vgpu-device, vgpu-parent, model."""
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from lib.manager import Vgpud
from conftest import BUILD, DEMO, PATIENCE, PROGRAMS, TOP, TYPE, Neighbour, eventually, fds, resident, sanitized

COMMANDS = ['fill-copy', 'rectangles', 'kernels', 'mandelbrot', 'semaphores', 'batches', 'long-streams', 'long-waits',
            'errors', 'faults']
HOSTILE = ['tables-outside', 'tables-loop', 'tables-fan', 'tables-by-command', 'tables-change', 'tables-vast', 'batch-changes',
           'ring-changes', 'ring-endless', 'batch-endless', 'doorbells', 'contexts', 'waiters', 'interrupts', 'registers',
           'unmap-all', 'hang']
SEEDS = 40
# What a process keeps in reserve; a leak of a vGPU's memory is larger. A sanitizer keeps freed memory for a while.
SLACK_KIB = 200000 if sanitized() else 6000


def test_commands(system):
    """Each command, against the CPU."""
    client = system.client(system.vgpu(), 'commands')
    client.process.wait(PATIENCE)
    for name in COMMANDS:
        assert f'passed: {name}\n' in client.log(), client.log() + system.parent.log()


def test_random_streams_do_what_they_do_on_the_hardware(system):
    system.client(system.vgpu(), 'property', '1', SEEDS).passed()


def test_two_vgpus_at_once(system):
    clients = [system.client(system.vgpu(), 'property', str(1000 * i), SEEDS // 2) for i in (1, 2)]
    for client in clients:
        client.passed()


def settled(look):
    """What look() says when it says nothing else any more."""
    seen = []
    eventually(lambda: seen.append(look()) or len(seen) > 20 and len(set(seen[-20:])) == 1)
    return seen[-1]


def at_rest(system, vgpu):
    """(descriptors of the parent, of the vGPU) when its clients have left, and nothing is being put away any more."""
    eventually(lambda: vgpu.log().count('client left') == vgpu.log().count('client connected'), vgpu.log)
    return settled(lambda: (fds(system.parent), fds(vgpu)))


@pytest.mark.parametrize('what', HOSTILE)
def test_harm(system, what):
    """The neighbour notices nothing, and what the evil-doer leaves is nothing."""
    neighbour, vgpu = system.neighbour(), system.vgpu()
    system.client(vgpu, 'commands', 'fill-copy').passed()
    before = at_rest(system, vgpu)
    system.client(vgpu, 'hostile', what).passed()
    system.client(vgpu, 'zero').passed()
    assert at_rest(system, vgpu) == before
    assert neighbour.noticed_nothing()


@pytest.mark.parametrize('doing', ['work', 'hang'])
@pytest.mark.parametrize('who', ['client', 'worker'])
def test_killed_in_mid_job(system, who, doing):
    neighbour, vgpu = system.neighbour(), system.vgpu()
    victim = system.client(vgpu, doing)
    victim.wait_for('started')
    if who == 'client':
        victim.kill()
    else:
        vgpu.kill()
        victim.process.wait(PATIENCE) if not victim.running() else victim.kill()
        vgpu = system.vgpu()
    system.client(vgpu, 'zero').passed()
    system.client(vgpu, 'commands', 'fill-copy').passed()
    assert neighbour.noticed_nothing()


def test_nothing_leaks(system):
    """vGPUs come and go, clients are killed: the parent is as it was."""
    def round_trip():
        vgpu = system.vgpu()
        victim = system.client(vgpu, 'work')
        victim.wait_for('started')
        victim.kill()
        system.client(vgpu, 'property', '5', '2').passed()
        assert vgpu.end() == 0, vgpu.log()
        system.vgpus.remove(vgpu)
        system.programs.remove(vgpu)

    for _ in range(3):
        round_trip()
    # A worker's process ends before its parent has noticed, and put all away.
    eventually(lambda: system.parent.log().count('vgpu-device has gone') == 3, system.parent.log)
    before = settled(lambda: fds(system.parent)), resident(system.parent)
    for _ in range(6):
        round_trip()
    eventually(lambda: fds(system.parent) == before[0], lambda: (fds(system.parent), before))
    assert resident(system.parent) - before[1] < SLACK_KIB


def test_the_parent_ends_under_work(system):
    """Its workers end with it, and say why; their clients get an error, not a hang."""
    vgpu = system.vgpu()
    client = system.client(vgpu, 'neighbour')
    client.wait_for('started')
    assert system.parent.end() == 0, system.parent.log()
    assert vgpu.process.wait(PATIENCE) == 5
    assert 'the parent is gone' in vgpu.log()
    client.process.wait(PATIENCE)
    for program in (system.parent, vgpu):
        system.programs.remove(program)
    system.vgpus.remove(vgpu)


def test_the_example(system):
    done = subprocess.run([BUILD / 'examples' / 'client' / 'saxpy', system.vgpu().socket], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, '1 + 2 * 99999 = 199999\n'), done.stderr


# ---- vgpu-demo -------------------------------------------------------------

def demo(*arguments, **options):
    return subprocess.run([DEMO, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          stdin=subprocess.DEVNULL, **options)


@pytest.mark.parametrize('arguments', [('mandelbrot', '-n', 200), ('sgemm', '-n', 128), ('saxpy', '-n', 2),
                                       ('saxpy', '-n', 1, '--system'), ('reduce', '-n', 2), ('histogram', '-n', 2),
                                       ('stream', '-n', 4)])
def test_demo(system, arguments):
    done = demo(*arguments, '--socket', system.vgpu().socket)
    assert done.returncode == 0, done.stderr
    assert 'checked:' in done.stdout and not done.stderr, done.stdout + done.stderr


def test_demo_draws(system, tmp_path):
    done = demo('mandelbrot', '-n', 320, '-o', tmp_path / 'out.png', '--socket', system.vgpu().socket)
    assert done.returncode == 0, done.stderr
    assert '57600 of 57600 pixels' in done.stdout
    data = (tmp_path / 'out.png').read_bytes()
    assert data.startswith(b'\x89PNG') and data[16:24] == bytes((0, 0, 1, 64, 0, 0, 0, 180))


def test_demo_for_the_occasion(tmp_path):
    """Starts all it needs, and leaves nothing."""
    done = demo('sgemm', '-n', 128, '--type', TYPE, env={'XDG_RUNTIME_DIR': str(tmp_path)})
    assert done.returncode == 0 and 'checked:' in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


def test_demo_is_interrupted(tmp_path):
    program = subprocess.Popen([DEMO, 'saxpy', '-n', '4', '-t', '60', '--type', TYPE, '--trace', str(tmp_path / 'trace')],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={'XDG_RUNTIME_DIR': str(tmp_path)})
    eventually(lambda: (tmp_path / 'trace').exists() and (tmp_path / 'trace').read_text().count('\n') > 2)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=PATIENCE)
    assert program.returncode == 1 and said == 'vgpu-demo: stopped\n'
    assert [p.name for p in tmp_path.iterdir()] == ['trace']
    lines = [list(map(int, line.split())) for line in (tmp_path / 'trace').read_text().splitlines()]
    assert all(len(line) == 3 for line in lines) and lines == sorted(lines)
    assert lines[-1][1] > lines[0][1] and lines[-1][2] > lines[0][2]


def test_demo_on_vgpuds(tmp_path):
    """vGPUs of vgpud by their names, on one engine."""
    folder = Path(tempfile.mkdtemp(prefix='rg-'))
    with Vgpud(folder, '[parent gpu]\ndriver = refgpu\nconfig = software\n') as vgpud:
        for name in ('one', 'two'):
            vgpud.ctl('create', TYPE, '--label', name, '--weight', '3')
        for name in ('one', 'two'):
            done = demo('histogram', '-n', 1, '--vgpu', name, '--vgpud', vgpud.control)
            assert done.returncode == 0 and 'checked:' in done.stdout, done.stderr
        done = demo('sgemm', '--vgpu', 'three', '--vgpud', vgpud.control)
        assert done.returncode == 1 and "has no vGPU 'three'" in done.stderr, done.stderr
        vgpud.ctl('stop', 'two')
        done = demo('sgemm', '--vgpu', 'two', '--vgpud', vgpud.control)
        assert done.returncode == 1 and 'does not run' in done.stderr, done.stderr
        vgpud.stop()
    shutil.rmtree(folder)


@pytest.mark.parametrize('arguments, says', [
    ((), 'what is it to compute'),
    (('dance',), "no command 'dance'"),
    (('sgemm', 'saxpy'), 'one word too many'),
    (('sgemm', '-n', '0'), '--size 0'),
    (('sgemm', '-n', 'x'), '--size x'),
    (('sgemm', '-t', '-1'), '--seconds -1'),
    (('sgemm', '-t', 'nan'), '--seconds nan'),
    (('sgemm', '-o', 'x.png'), 'makes no picture'),
    (('sgemm', '--socket', 'a', '--vgpu', 'b'), 'which of the two'),
    (('sgemm', '--socket', 'a', '--type', 'b'), 'there already'),
    (('sgemm', '--vgpud', 'a'), '--vgpu NAME'),
])
def test_demo_wrong_usage(arguments, says):
    done = demo(*arguments)
    assert done.returncode == 2 and says in done.stderr and "Try 'vgpu-demo --help'." in done.stderr


@pytest.mark.parametrize('arguments, says', [
    (('--socket', '/nonexistent/s'), 'cannot connect'),
    (('--vgpu', 'x', '--vgpud', '/nonexistent/s'), 'vgpud does not answer'),
    (('--type', 'refgpu-none'), 'does not start'),
])
def test_demo_finds_no_vgpu(arguments, says):
    done = demo('sgemm', *arguments)
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_demo_does_not_disturb(system):
    """A vGPU has one client."""
    neighbour = system.neighbour()
    done = demo('sgemm', '--socket', system.vgpus[0].socket)
    assert done.returncode == 1 and 'is in use' in done.stderr, done.stderr
    assert neighbour.noticed_nothing()


def test_demo_too_large(system):
    done = demo('sgemm', '-n', 4096, '--socket', system.vgpu('--weight', 3, vgpu_type='refgpu-64m').socket)
    assert done.returncode == 1 and 'choose a smaller --size' in done.stderr, done.stderr


def test_demo_help_and_manual_agree():
    said = demo('--help').stdout
    text = (BUILD / 'man' / 'vgpu-demo.1').read_text().replace('\\-', '-')
    options = set(re.findall(r'^  (?:-\w, |    )(--\w+)', said, re.M))
    assert len(options) == 12 and not {o for o in options if o not in text}, options


def test_a_silent_parent(system):
    """Who asks the vGPU is answered at once (time is the subject), and all that was begun ends well."""
    control = system.folder / 'ctl'
    vgpu = system.vgpu('--control-path', control)
    user = Neighbour(system, vgpu)
    system.parent.process.send_signal(signal.SIGSTOP)
    end = time.monotonic() + 5
    try:
        while time.monotonic() < end:
            begin = time.monotonic()
            # The loop that serves the guest's accesses serves this, too.
            subprocess.run([PROGRAMS / 'vgpuctl' / 'vgpuctl', '--control-path', control, 'stats'], check=True,
                           stdout=subprocess.DEVNULL)
            assert time.monotonic() - begin < (5 if sanitized() else 1)
            time.sleep(0.1)
    finally:
        system.parent.process.send_signal(signal.SIGCONT)
    assert user.noticed_nothing()
