# SPDX-License-Identifier: MIT
"""A hub that says nothing for a while (SIGSTOP): no op of an instance waits for it.

Time is what these tests are about, so they do measure it. The limits are what is promised.
"""
import contextlib
import errno
import json
import os
import signal
import time

import pytest
from conftest import CTL, SANITIZED, VfioUser, eventually, run
from test_parent import BUFFER, CMD, COUNT, DST, RUN, SRC, System, memfd
from vuser.channel import Closed
from vuser.client import WireError
from vuser.proto import DMA_UNMAP, Cmd

LIVENESS = 0x04
MIB = 1 << 20
# What is promised of a trapped access and of a question; a sanitizer makes all slower.
ACCESS_S = 0.5 if SANITIZED else 0.05
ASKED_S = 5 if SANITIZED else 1
HELD_S = 4  # DMA_UNMAP_LIMIT_NS, src/dma/space.h


def stats(control):
    """Over the control socket, which the loop that serves the guest serves, too; and how long it took."""
    begin = time.monotonic()
    result = run(CTL, '--control-path', control, 'stats', '-o', 'json')
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - begin < ASKED_S
    return json.loads(result.stdout)


def worst_access(client, seconds):
    """The longest of the accesses in so many seconds."""
    end, worst = time.monotonic() + seconds, 0
    while (begin := time.monotonic()) < end:
        client.write(0, LIVENESS, 4, 0x1234)
        assert client.read(0, LIVENESS, 4) == 0xffffedcb
        worst = max(worst, time.monotonic() - begin)
        time.sleep(0.002)
    return worst


def transfer(client, source=0, count=4096):
    for reg, value in ((SRC, source), (DST, BUFFER), (COUNT, count), (CMD, RUN)):
        client.write(0, reg, 8, value)


def unmap(client, address, size):
    return client.submit(Cmd.DMA_UNMAP, DMA_UNMAP.pack(24, 0, address, size))


@pytest.mark.parametrize('seconds', [5, pytest.param(10, marks=pytest.mark.long)])
def test_a_silent_hub(tmp_path, seconds):
    """One vGPU has a page in a transfer, another wants to pin, a third begins when the silence is over."""
    with System(tmp_path, 'software,delay=100000') as system:
        names = ['busy', 'pins', 'idle']
        workers = [system.worker(n, '--control-path', tmp_path / f'{n}.ctl') for n in names]
        controls = [tmp_path / f'{n}.ctl' for n in names]
        fd = memfd(2 * MIB)
        clients = [VfioUser(w.socket) for w in workers]
        for client in clients:
            client.version()
            client.dma_map(0, MIB, fd)
            client.dma_map(MIB, MIB, fd, MIB)
        busy, pins, idle = clients
        transfer(busy)
        eventually(lambda: stats(controls[0])['dma']['pinned'] == 4096)
        os.kill(system.parent.process.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            transfer(pins, MIB)
            held = unmap(busy, 0, MIB)
            # Memory that nobody has pinned goes at once.
            busy.dma_unmap(MIB, MIB)
            # The hub may have this page, or not: nobody can say.
            wanted = unmap(pins, MIB, MIB)
            for client in clients:
                assert worst_access(client, 0.5) < ACCESS_S
            assert stats(controls[0])['dma']['pinned'] == 4096
            for client, unanswered in (busy, held), (pins, wanted):
                with pytest.raises(WireError) as error:
                    client.wait(unanswered, Cmd.DMA_UNMAP)
                assert HELD_S - 1 < time.monotonic() - begin < HELD_S + 2
                assert error.value.errno == errno.EBUSY
            # It is not confirmed that the engine has let go: held, and counted.
            assert stats(controls[0])['dma']['pinned'] == 4096
            while time.monotonic() - begin < seconds:
                for client, control in zip(clients, controls):
                    assert worst_access(client, 0.2) < ACCESS_S
                    stats(control)
        finally:
            os.kill(system.parent.process.pid, signal.SIGCONT)
        eventually(lambda: stats(controls[0])['dma']['pinned'] == 0)
        for client in clients:
            eventually(lambda c=client: not c.read(0, CMD, 4) & RUN)
        # All goes on.
        transfer(idle)
        eventually(lambda: not idle.read(0, CMD, 4) & RUN)
        busy.dma_map(0, MIB, fd)
        for client in clients:
            client.close()
        os.close(fd)
        for i, worker in enumerate(workers):
            client = system.client(worker, f'after{i}', i + 1, 5)
            assert client.process.wait(60) == 0, client.log()


def test_a_silent_hub_that_dies(tmp_path):
    """What was held for it is released, and its workers end."""
    with System(tmp_path, 'software,delay=100000') as system:
        worker = system.worker('w', '--control-path', tmp_path / 'ctl')
        fd = memfd()
        with VfioUser(worker.socket) as client:
            client.version()
            client.dma_map(0, MIB, fd)
            transfer(client)
            eventually(lambda: stats(tmp_path / 'ctl')['dma']['pinned'] == 4096)
            os.kill(system.parent.process.pid, signal.SIGSTOP)
            held = unmap(client, 0, MIB)
            assert worst_access(client, 0.2) < ACCESS_S
            system.parent.kill()
            # The worker has nothing to serve any more. It may say first that the memory is free.
            with contextlib.suppress(Closed):
                client.wait(held, Cmd.DMA_UNMAP)
        assert worker.process.wait(20) == 5
        system.programs.remove(system.parent)
        os.close(fd)
