# SPDX-License-Identifier: MIT
"""Child processes that never outlive this one."""

import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A program with its output in a file; killed at the latest by close()."""

    def __init__(self, args, log, pass_fds=(), stdin=subprocess.DEVNULL):
        self.args = [os.fspath(a) for a in args]
        self.log_path = log
        with open(log, 'ab') as output:
            self.child = subprocess.Popen(self.args, stdin=stdin, stdout=output, stderr=output,
                                          pass_fds=pass_fds, preexec_fn=_die_with_parent)
        self.pid = self.child.pid

    def log(self):
        return self.log_path.read_text(errors='replace')

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout):
        """Exit status; negative where a signal ended it."""
        return self.child.wait(timeout)

    def kill(self, number=signal.SIGKILL, timeout=10):
        if self.running():
            self.child.send_signal(number)
        return self.child.wait(timeout)

    def terminate(self, timeout=10):
        return self.kill(signal.SIGTERM, timeout)

    def close(self):
        if self.running():
            self.child.kill()
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
