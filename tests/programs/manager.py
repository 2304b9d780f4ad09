# SPDX-License-Identifier: MIT
"""Stands in for vgpud where a test is about what a client asks and says.

Answers io.vgpud.Manager from a table; `calls` has what was asked. Values of
the table are parameters of a reply, (error, parameters), lists of replies for
a stream, or functions of the call's parameters that return one of them.
"""
import contextlib
import json
import socket
import threading

IO = 'io.vgpud.Manager.'
UUID = '5f0c6a1e-9d1b-4c55-8b1a-0123456789ab'


def instance(**changes):
    return {'uuid': UUID, 'label': None, 'parent': 'software', 'type': 'bochs-16m', 'state': 'defined',
            'reason': None, 'autostart': False, 'policy': 'restart', 'socket': f'/run/vgpud/{UUID}/vfio-user.sock',
            'control': '', 'worker': None, 'client': None, 'restarts': 0, 'vram': 16 << 20, **changes}


class Manager:
    def __init__(self, path, table, io=IO):
        self.io = io
        self.path = path
        self.table = table
        self.calls = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        # A reader of events goes when it has enough.
        with contextlib.suppress(ConnectionError), peer, peer.makefile('rb') as stream:
            data = b''
            while byte := stream.read(1):
                if byte != b'\0':
                    data += byte
                    continue
                self._answer(peer, json.loads(data))
                data = b''

    def _answer(self, peer, call):
        assert call['method'].startswith(self.io)
        method, parameters = call['method'][len(self.io):], call.get('parameters', {})
        self.calls.append((method, parameters))
        replies = self.table.get(method, ('org.varlink.service.MethodNotFound', {'method': method}))
        if callable(replies):
            replies = replies(parameters)
        if not isinstance(replies, list):
            replies = [replies]
        for i, reply in enumerate(replies):
            if isinstance(reply, tuple):
                error, value = reply
                message = {'error': error if '.' in error else self.io + error, 'parameters': value}
            else:
                message = {'parameters': reply}
            if i + 1 < len(replies):
                message['continues'] = True
            peer.sendall(json.dumps(message).encode() + b'\0')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
