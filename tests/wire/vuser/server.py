# SPDX-License-Identifier: MIT
"""A vgpu-device process under test, and what /proc says about it."""
import collections
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from waiting import eventually

SETTLE = 3.0
STOP = 5.0


class ServerDied(Exception):
    pass


class Server:
    """Starts the program, keeps its log, and counts what it holds."""

    def __init__(self, program, args, env=None):
        self.dir = tempfile.TemporaryDirectory(prefix="vgpu-wire-")
        base = Path(self.dir.name)
        self.path = base / "vfio-user.sock"
        self.control = base / "control.sock"
        self.log_path = base / "log"
        argv = [str(program), *args, f"--socket-path={self.path}", f"--control-path={self.control}"]
        full_env = dict(os.environ)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            extra = f"log_path={base}/sanitizer:halt_on_error=1"
            full_env[name] = ":".join(filter(None, [full_env.get(name), extra]))
        full_env.update(env or {})
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=full_env)
        self.pid = self.process.pid
        try:
            self._wait_ready()
            self.baseline = self._settled_fds()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _wait_ready(self):
        # The server puts each socket in place when it already listens.
        eventually(lambda: self.path.is_socket() and self.control.is_socket() or self.process.poll() is not None,
                   "the server does not listen", self.log)
        if self.process.poll() is not None:
            raise ServerDied(f"exit {self.process.returncode} before it listened:\n{self.log()}")

    def _settled_fds(self):
        last, same = None, 0
        while same < 3:
            now = self.fds()
            same = same + 1 if now == last else 0
            last = now
            time.sleep(0.01)
        return last

    def log(self):
        text = self.log_path.read_text(errors="replace")
        for report in Path(self.dir.name).glob("sanitizer*"):
            text += f"\n{report.name}:\n" + report.read_text(errors="replace")
        return text[-20000:]

    def fds(self):
        """What the process has open: a multiset of kinds, with inode numbers left out."""
        kinds = collections.Counter()
        base = f"/proc/{self.pid}/fd"
        for name in os.listdir(base):
            try:
                target = os.readlink(f"{base}/{name}")
            except FileNotFoundError:
                continue
            kinds[re.sub(r"\[\d+\]", "", target)] += 1
        return kinds

    def maps(self):
        return Path(f"/proc/{self.pid}/maps").read_text()

    def status_kib(self, key):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise KeyError(key)

    def memory_kib(self):
        """Resident memory, with what a sanitizer adds to each byte (shadows, quarantine) allowed for."""
        sanitized = any(f"lib{name}san" in self.maps() for name in "at")
        return self.status_kib("VmRSS") // (8 if sanitized else 1)

    def cpu_ticks(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def asleep(self):
        """It waits for whatever comes, and no longer polls."""
        return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"

    def check_alive(self):
        if self.process.poll() is not None:
            raise ServerDied(f"the server is gone, exit {self.process.returncode}:\n{self.log()}")
        if list(Path(self.dir.name).glob("sanitizer*")):
            raise ServerDied(f"sanitizer report:\n{self.log()}")

    def wait_idle(self):
        """After the client left: alive, and nothing open that was not open before it came."""
        deadline = time.monotonic() + SETTLE
        while True:
            self.check_alive()
            now = self.fds()
            if now == self.baseline:
                return
            if time.monotonic() > deadline:
                more, less = now - self.baseline, self.baseline - now
                raise AssertionError(f"open fds after the client left: {dict(more)} more, {dict(less)} less\n{self.log()}")
            time.sleep(0.002)

    def stop(self):
        """SIGTERM and exit status 0, with nothing reported by a sanitizer."""
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(STOP)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"still there {STOP} s after SIGTERM:\n{self.log()}") from None
            reports = list(Path(self.dir.name).glob("sanitizer*"))
            assert code == 0 and not reports, f"exit {code}, {len(reports)} sanitizer reports:\n{self.log()}"
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.dir.cleanup()
