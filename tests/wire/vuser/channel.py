# SPDX-License-Identifier: MIT
"""Frames over a UNIX stream socket: raw bytes out in any pieces, strict frames in."""
import array
import fcntl
import os
import select
import socket
import struct
import termios
import time

from . import proto
from .proto import Frame, HEADER, ProtocolError

# QEMU waits this long for a reply, and a later one is fatal to the connection.
PATIENCE = 5.0
# SCM_RIGHTS carries at most this many (SCM_MAX_FD of Linux).
SCM_MAX_FD = 253
# Nothing that the server may send is larger: the largest data transfer and its structures.
MAX_FRAME = (64 << 20) + 4096


class Timeout(Exception):
    """The server said nothing for as long as a real client waits."""


class Closed(Exception):
    """The server ended the connection."""


class Channel:
    """One connected socket. recv() reads like QEMU: a header that comes in two pieces is a protocol error."""

    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)

    @classmethod
    def connect(cls, path, timeout=PATIENCE):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits for a place in the backlog, for this long; a non-blocking one would not wait at all.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(timeout), int(timeout % 1 * 1e6)))
        sock.connect(str(path))
        return cls(sock)

    def close(self):
        self.sock.close()

    def _wait(self, events, deadline, what):
        left = deadline - time.monotonic()
        poller = select.poll()
        poller.register(self.sock, events)
        if left <= 0 or not poller.poll(left * 1000):
            raise Timeout(what)

    def send(self, data, fds=(), timeout=PATIENCE):
        """Send all of data; the fds travel with its first byte."""
        deadline = time.monotonic() + timeout
        view = memoryview(data)
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        while len(view) or anc:
            try:
                sent = self.sock.sendmsg([view], anc, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline, "the server does not read")
                continue
            except (BrokenPipeError, ConnectionResetError) as e:
                raise Closed("send: " + str(e)) from e
            view, anc = view[sent:], []

    def wait_taken(self, timeout=PATIENCE):
        """Wait until the server has read everything that was sent."""
        deadline = time.monotonic() + timeout
        while struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]:
            if time.monotonic() > deadline:
                raise Timeout("the server does not read")
            time.sleep(0)

    def send_pieces(self, data, cuts, fds=()):
        """Send data cut at the given offsets; each piece is read before the next is sent."""
        last = 0
        for cut in [*cuts, len(data)]:
            if cut > last:
                self.send(data[last:cut], fds)
                self.wait_taken()
                fds = ()
                last = cut

    def _recv_some(self, want, deadline, what):
        """One recvmsg of at most want bytes: (bytes, fds)."""
        while True:
            try:
                data, anc, flags, _ = self.sock.recvmsg(want, socket.CMSG_SPACE(SCM_MAX_FD * 4), socket.MSG_CMSG_CLOEXEC)
                break
            except BlockingIOError:
                self._wait(select.POLLIN, deadline, what)
            except ConnectionResetError as e:
                raise Closed("reset: the server closed with unread input (QEMU aborts on this)") from e
        fds = []
        for level, kind, value in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                got = array.array("i")
                got.frombytes(value[:len(value) - len(value) % got.itemsize])
                fds += got
        if flags & socket.MSG_CTRUNC:
            for fd in fds:
                os.close(fd)
            raise ProtocolError("more ancillary data than SCM_RIGHTS can carry")
        return data, fds

    def recv(self, timeout=PATIENCE):
        """The next frame. Raises Closed at a clean end, ProtocolError on a broken one."""
        deadline = time.monotonic() + timeout
        head, fds = self._recv_some(HEADER.size, deadline, "no message")
        if not head:
            raise Closed("end of stream")
        try:
            if len(head) != HEADER.size:
                raise ProtocolError(f"header split after {len(head)} bytes")
            msg_id, cmd, size, flags, error = HEADER.unpack(head)
            if size < HEADER.size or size > MAX_FRAME:
                raise ProtocolError(f"message size {size}")
            if flags & ~(proto.TYPE_MASK | proto.NO_REPLY | proto.ERROR) or flags & proto.TYPE_MASK > proto.REPLY:
                raise ProtocolError(f"flags {flags:#x}")
            body = bytearray()
            while len(body) < size - HEADER.size:
                data, more = self._recv_some(min(size - HEADER.size - len(body), 1 << 20), deadline, "message cut short")
                if more:
                    fds += more
                    raise ProtocolError("fds came with the body, not with the header")
                if not data:
                    raise ProtocolError(f"end of stream after {len(body)} of {size - HEADER.size} bytes of a body")
                body += data
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        return Frame(msg_id, cmd, flags, error, bytes(body), fds)

    def expect_close(self, timeout=PATIENCE):
        """Wait for the server to end the connection; frames before the end are returned."""
        deadline = time.monotonic() + timeout
        frames = []
        while True:
            try:
                frame = self.recv(max(0.0, deadline - time.monotonic()))
            except Closed as e:
                if "reset" in str(e):
                    raise ProtocolError(str(e)) from e
                return frames
            for fd in frame.fds:
                os.close(fd)
            frame.fds = []
            frames.append(frame)

    def expect_silence(self, seconds=0.05):
        """Nothing arrives and the connection stays."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        if poller.poll(seconds * 1000):
            frame = self.recv()
            raise ProtocolError(f"unexpected message {frame}")
