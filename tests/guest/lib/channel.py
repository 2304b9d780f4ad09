# SPDX-License-Identifier: MIT
"""A line-wise conversation with a guest or with QEMU over a socket pair."""

import re
import socket
import threading
import time


class Timeout(Exception):
    """What was waited for did not come."""


class Channel:
    """One end of a socket pair; the other end's fd goes to QEMU.

    A thread collects the lines, so that the other side never blocks on us and
    nothing is lost between two waits.
    """

    def __init__(self, name):
        self.name = name
        self.ours, self.theirs = socket.socketpair()
        self.lines = []
        self.next = 0  # first line that no wait has consumed
        self.open = True
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        rest = b''
        while True:
            try:
                data = self.ours.recv(65536)
            except OSError:
                data = b''
            *lines, rest = (rest + data).split(b'\n')
            if not data and rest:
                lines.append(rest)
            with self.changed:
                self.lines += [line.decode(errors='replace').rstrip('\r') for line in lines]
                self.open = bool(data)
                self.changed.notify_all()
            if not data:
                return

    def started(self):
        """To be called once the child has its end: then its death is seen here."""
        self.theirs.close()

    def send(self, line):
        self.ours.sendall(line.encode() + b'\n')

    def wait_for(self, pattern, timeout):
        """The match of the next line that has `pattern`; consumes up to it."""
        regex = re.compile(pattern)
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                while self.next < len(self.lines):
                    match = regex.search(self.lines[self.next])
                    self.next += 1
                    if match:
                        return match
                left = end - time.monotonic()
                if left <= 0 or not self.open:
                    why = f'within {timeout} s' if self.open else 'before the other side ended'
                    last = '\n'.join(self.lines[-25:]) or '(nothing)'
                    raise Timeout(f'no "{pattern}" on the {self.name} {why}; it said:\n{last}')
                self.changed.wait(left)

    def text(self):
        with self.changed:
            return '\n'.join(self.lines)

    def close(self):
        try:
            self.ours.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        self.thread.join()
        self.ours.close()
        self.theirs.close()
