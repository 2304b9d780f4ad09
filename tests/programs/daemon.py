# SPDX-License-Identifier: MIT
"""A vgpud of a test's own, with folders of its own, and vgpuctl that asks it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from conftest import BUILD, CTL, DRIVERS, eventually, run

VGPUD = BUILD / 'programs' / 'vgpud' / 'vgpud'


class Vgpud:
    """Ends with all its vGPUs. Short names: a socket's path has 107 characters."""

    def __init__(self, config=None):
        self.top = Path(tempfile.mkdtemp(prefix='vd-'))
        self.control = self.top / 'r' / 'control.sock'
        (self.top / 'c').mkdir()
        if config:
            (self.top / 'c' / 'test.conf').write_text(config)
        try:
            self.start()
        except BaseException:
            self.process.kill()
            raise

    def start(self):
        with open(self.top / 'log', 'ab') as log:
            self.process = subprocess.Popen(
                [VGPUD, '--config-dir', self.top / 'c', '--state-dir', self.top / 's', '--runtime-dir', self.top / 'r',
                 '--driver-dir', DRIVERS], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.process.poll() is not None or self.ctl('types', '-q').stdout)
        assert self.process.poll() is None, self.log()

    def log(self):
        return (self.top / 'log').read_text(errors='replace')

    def ctl(self, *arguments, **options):
        return run(CTL, '--vgpud', self.control, *arguments, **options)

    def ask(self, *arguments):
        """What vgpuctl prints as JSON."""
        done = self.ctl(*arguments, '-o', 'json')
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self):
        self.process.terminate()
        return self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            for one in self.ask('list')['instances']:
                self.ctl('remove', one['uuid'], '--force')
            self.end()
        for record in (self.top / 'r').glob('*/worker'):  # of a daemon that was killed
            words = record.read_text().split()
            if words and words[0].isdigit():
                os.kill(int(words[0]), signal.SIGKILL)
        shutil.rmtree(self.top)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
