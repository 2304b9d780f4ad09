# SPDX-License-Identifier: MIT
"""Starts QEMU and talks to its monitor."""

import json
import time

from . import paths
from .channel import Channel, Timeout
from .process import Process

QMP_TIMEOUT = 20


class QmpError(Exception):
    """The monitor refused a command."""


class Qmp:
    """Client of QEMU's JSON monitor."""

    def __init__(self, channel):
        self.channel = channel
        self.events = []
        self._message('QMP', QMP_TIMEOUT)
        self.execute('qmp_capabilities')

    def _message(self, *keys_and_timeout):
        *keys, timeout = keys_and_timeout
        end = time.monotonic() + timeout
        while True:
            match = self.channel.wait_for(r'^\{.*', max(0, end - time.monotonic()))
            message = json.loads(match[0])
            if any(key in message for key in keys):
                return message
            self.events.append(message)

    def execute(self, command, **arguments):
        request = {'execute': command}
        if arguments:
            request['arguments'] = arguments
        self.channel.send(json.dumps(request))
        answer = self._message('return', 'error', QMP_TIMEOUT)
        if 'error' in answer:
            raise QmpError(f'{command}: {answer["error"]["desc"]}')
        return answer['return']

    def human(self, line):
        return self.execute('human-monitor-command', **{'command-line': line})

    def wait_event(self, name, timeout):
        while True:
            for i, event in enumerate(self.events):
                if event.get('event') == name:
                    return self.events.pop(i)
            self.events.append(self._message('event', timeout))


class Qemu:
    """A virtual machine without any default device.

    args: QEMU's arguments; accel: 'tcg' or 'kvm'; serials: names of the serial
    ports, first to last, each reachable as self.serials[name]
    """

    def __init__(self, folder, args, accel='tcg', serials=('console',)):
        self.serials = {name: Channel(f'serial port "{name}"') for name in serials}
        monitor = Channel('monitor')
        channels = [*self.serials.values(), monitor]
        command = [paths.qemu(), '-nodefaults', '-no-user-config', '-accel', accel,
                   '-display', 'none', '-vga', 'none']
        for name, channel in self.serials.items():
            command += ['-chardev', f'socket,id={name},fd={channel.theirs.fileno()}',
                        '-serial', f'chardev:{name}']
        command += ['-chardev', f'socket,id=monitor,fd={monitor.theirs.fileno()}',
                    '-object', 'monitor-qmp,id=qmp,chardev=monitor']
        self.channels = channels
        self.qmp = None
        self.process = Process(command + args, folder / 'qemu.log',
                               [c.theirs.fileno() for c in channels])
        for channel in channels:
            channel.started()
        try:
            self.qmp = Qmp(monitor)
        except Timeout as e:
            self.close()
            raise Timeout(f'QEMU did not start: {self.process.log() or e}') from e

    def close(self):
        self.process.close()
        for channel in self.channels:
            channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def memory(size='256M', shared=True, backend=True):
    """Arguments for the guest's memory; a device server needs it shared."""
    if not backend:
        return ['-m', size]
    share = 'on' if shared else 'off'
    return ['-m', size, '-object', f'memory-backend-memfd,id=ram,size={size},share={share}',
            '-machine', 'q35,memory-backend=ram']


def vfio_user(socket, **properties):
    """Arguments that attach the device behind a vfio-user socket."""
    device = {'driver': 'vfio-user-pci', 'socket': {'type': 'unix', 'path': str(socket)},
              **properties}
    return ['-device', json.dumps(device)]
