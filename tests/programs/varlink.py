# SPDX-License-Identifier: MIT
"""A varlink client and a varlink server, small and independent of the programs under test."""
import json
import socket
import threading

PATIENCE = 20


class VarlinkError(Exception):
    def __init__(self, reply):
        super().__init__(json.dumps(reply))
        self.error = reply['error']
        self.parameters = reply.get('parameters', {})


class Client:
    """Calls one after the other; `fds` has what came with the last reply."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # blocking: it waits while the backlog is full
        self.socket.settimeout(PATIENCE)
        self.buffer = b''
        self.fds = []

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b'\0')

    def receive(self):
        while b'\0' not in self.buffer:
            data, fds, _, _ = socket.recv_fds(self.socket, 1 << 20, 32)
            self.fds += fds
            if not data:
                raise EOFError
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(text)

    def call(self, method, **parameters):
        self.fds = []
        self.send({'method': method, 'parameters': parameters})
        reply = self.receive()
        if 'error' in reply:
            raise VarlinkError(reply)
        return reply['parameters']

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Fake:
    """Answers each connection's first message with the given bytes and hangs up."""

    def __init__(self, path, answer):
        self.answer = answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                peer.recv(1 << 16)
                peer.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
