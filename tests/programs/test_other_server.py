# SPDX-License-Identifier: MIT
"""libvgpu-client on a server that is not ours: libvfio-user's sample.

No distribution packages it. Build it from its own source, and say where it is. (From its commit 850ded8 on, the
library refuses the three pages of its sample's BAR1, so take one before that, such as 7e7a0a6.)

    VGPU_LIBVFIO_USER=../libvfio-user/build pytest tests/programs/test_other_server.py
"""
import os
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD, PATIENCE, eventually, run

SAMPLES = Path(os.environ.get('VGPU_LIBVFIO_USER', '/nowhere')) / 'samples'
pytestmark = pytest.mark.skipif(not (SAMPLES / 'server').exists(),
                                reason='VGPU_LIBVFIO_USER names no build of libvfio-user')


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(name):
        path = tmp_path / 'sock'
        started.append(subprocess.Popen([SAMPLES / name, path], cwd=tmp_path, stdin=subprocess.DEVNULL))
        eventually(path.exists)
        return path, started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_everything_that_the_sample_has(serve):
    path, process = serve('server')
    done = run(BUILD / 'tests' / 'guest' / 'otherserver', path)
    assert done.returncode == 0 and done.stdout.endswith('end\n'), done.stdout + done.stderr
    assert done.stdout.count('ok: ') >= 20
    assert process.wait(PATIENCE) == 0   # it ends with its client, and found its DMA right


def test_lsvgpu(serve):
    path, _ = serve('gpio-pci-idio-16')
    done = run(BUILD / 'examples' / 'client' / 'lsvgpu', path)
    assert done.returncode == 0, done.stderr
    assert '494f:0dc8' in done.stdout and 'BAR2' in done.stdout, done.stdout
