#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures vgpud with many instances.

Usage: bench/bench-vgpud.py [--build DIR] [--defined N] [--active N] [--idle SECONDS]

Defines N instances of the smallest bochs type, starts some of them, and says
how long it took from Create to a listening socket, what List costs, how much
processor time all of it takes while nothing happens, how much memory an idle
worker has to itself, and how long a restarted vgpud needs to find everything
again. Beside it is what is aimed at, with the default numbers of instances on
two cores that do nothing else.
"""
import argparse
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'programs'))
from varlink import Client  # noqa: E402

IO = 'io.vgpud.Manager.'
TICK = os.sysconf('SC_CLK_TCK')


def row(name, value, unit, target=None, digits=1):
    goal = f'(target: {target} {unit}{"" if value <= target else ", MISSED"})' if target is not None else ''
    print(f'{name:<44} {value:>10.{digits}f} {unit:<4}{goal}'.rstrip(), flush=True)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def private_kib(pid):
    """Private memory that is resident; the files of video memory are shared ones, so not in here."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    return sum(int(n) for n in re.findall(r'^Private_(?:Clean|Dirty): +(\d+)', text, re.M))


class Daemon:
    def __init__(self, build, top):
        self.command = [str(build / 'programs/vgpud/vgpud'), '--config-dir', str(top / 'etc'), '--state-dir',
                        str(top / 'lib'), '--runtime-dir', str(top / 'run'), '--log-level', 'warning']
        self.socket = top / 'run' / 'control.sock'
        self.vgpuctl = str(build / 'programs/vgpuctl/vgpuctl')
        self.process = None

    def start(self):
        """Seconds until it answers."""
        start = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        while True:
            try:
                client = Client(self.socket)
                break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit('vgpud does not start')
                time.sleep(0.001)
        client.call(IO + 'ListParents')
        return time.monotonic() - start, client

    def ctl(self, *arguments):
        """Milliseconds that vgpuctl takes, its start included."""
        start = time.monotonic()
        subprocess.run([self.vgpuctl, '--vgpud', str(self.socket), *arguments], check=True, stdout=subprocess.DEVNULL)
        return (time.monotonic() - start) * 1000

    def stop(self):
        self.process.terminate()
        self.process.wait()


def timed(client, method, **parameters):
    start = time.monotonic()
    reply = client.call(IO + method, **parameters)
    return (time.monotonic() - start) * 1000, reply


def measure(daemon, arguments):
    _, client = daemon.start()
    creates, pids, names = [], [], []
    for _ in range(arguments.active):
        ms, reply = timed(client, 'Create', type='bochs-16m')
        creates.append(ms)
        names.append(reply['instance']['uuid'])
        pids.append(reply['instance']['worker'])
    creates.sort()
    row('create to listening, median', statistics.median(creates), 'ms', 15)
    row('create to listening, 95 %', creates[int(len(creates) * 0.95)], 'ms')
    defines = [timed(client, 'Define', type='bochs-16m')[0] for _ in range(arguments.defined - arguments.active)]
    row('define, median (with fsync)', statistics.median(defines), 'ms')
    row(f'List of {arguments.defined}, median', statistics.median(timed(client, 'List')[0] for _ in range(20)), 'ms')
    row('vgpuctl list, median', statistics.median(daemon.ctl('list') for _ in range(20)), 'ms', 50)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(20):
        daemon.ctl('list')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row('... processor time of it', used * 1000 / 20, 'ms')
    row('vgpuctl list -o json, median', statistics.median(daemon.ctl('list', '-o', 'json') for _ in range(20)), 'ms', 50)

    everybody = [daemon.process.pid, *pids]
    time.sleep(1)
    before = cpu_seconds(everybody)
    time.sleep(arguments.idle)
    used = (cpu_seconds(everybody) - before) / arguments.idle
    row(f'idle processor time of {len(everybody)} processes', used * 100, '%', 0.0)
    row('private memory per idle worker, median', statistics.median(map(private_kib, pids)) / 1024, 'MiB', 6, 2)
    row('private memory of vgpud', private_kib(daemon.process.pid) / 1024, 'MiB', digits=2)
    client.close()

    daemon.stop()
    seconds, client = daemon.start()
    row(f'restart until it answers, {arguments.defined} definitions', seconds * 1000, 'ms', 1000, 0)
    start = time.monotonic()
    while True:
        states = [i['state'] for i in client.call(IO + 'List')['instances']]
        if states.count('active') >= arguments.active:
            break
        time.sleep(0.002)
    row(f'... until {arguments.active} workers are found again', (time.monotonic() - start) * 1000, 'ms', digits=0)
    assert pids and sorted(pids) == sorted(i['worker'] for i in client.call(IO + 'List')['instances'] if i['worker'])
    stops = [timed(client, 'Remove', name=name)[0] for name in names]
    row('remove a running one, median', statistics.median(stops), 'ms')
    client.close()
    return pids


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--build', type=Path, default=TOP / 'build' / 'release')
    parser.add_argument('--defined', type=int, default=1000)
    parser.add_argument('--active', type=int, default=200)
    parser.add_argument('--idle', type=float, default=5, help='seconds (default %(default)s)')
    arguments = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix='vgpud-bench-'))
    daemon = Daemon(arguments.build, top)
    try:
        measure(daemon, arguments)
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.stop()
        for record in top.glob('run/*/worker'):
            try:
                os.kill(int(record.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass
        shutil.rmtree(top)


if __name__ == '__main__':
    main()
