# SPDX-License-Identifier: MIT
"""A Linux guest: a Debian kernel, our initramfs, commands over a serial port."""

import re

from . import initramfs, paths, qemu

BOOT_TIMEOUT = 90
COMMAND_TIMEOUT = 60
COMMAND_LINE = ('console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable '
                'no_timer_check cryptomgr.notests random.trust_cpu=on')


class CommandFailed(Exception):
    """A command in the guest ended with an error."""


class LinuxGuest:
    """Boots at once; ready() waits until it takes commands."""

    def __init__(self, folder, release, device, modules=(), programs=(), accel='tcg',
                 memory=None, command_line='', dynamic=()):
        image = initramfs.build(folder / f'initramfs-{release}.cpio', release, modules, programs, dynamic)
        args = ['-kernel', str(paths.kernel(release) / 'vmlinuz'), '-initrd', str(image),
                '-append', f'{COMMAND_LINE} {command_line}'.strip()]
        args += ['-M', 'q35', *(memory or qemu.memory()), *device]
        self.release = release
        self.vm = qemu.Qemu(folder, args, accel, ('console', 'commands'))
        self.qmp = self.vm.qmp
        self.console = self.vm.serials['console']
        self.commands = self.vm.serials['commands']

    def ready(self, timeout=BOOT_TIMEOUT):
        """Waits for the end of the boot; returns the kernel's full release."""
        return self.commands.wait_for(r'^ready (\S+)', timeout)[1]

    def run(self, line, timeout=COMMAND_TIMEOUT, check=True):
        """Runs a shell command in the guest; returns what it printed."""
        first = len(self.commands.lines)
        self.commands.send(line)
        status = int(self.commands.wait_for(r'^status (\d+)$', timeout)[1])
        output = '\n'.join(self.commands.lines[first:self.commands.next - 1])
        if status and check:
            raise CommandFailed(f'{line}: status {status}\n{output}')
        return output

    def show_card(self, arguments='', timeout=COMMAND_TIMEOUT):
        """Draws a test card that stays; returns what the program says of it.

        The card before it goes first: a screen has one master.
        """
        self.hide_card()
        self.run(f'testcard --hold {arguments} > /tmp/card.log & echo $! > /tmp/card.pid')
        return self._card_shown(1, timeout)

    def hide_card(self):
        """Ends the program that shows a card, if there is one."""
        self.run('[ ! -e /tmp/card.pid ] || { kill $(cat /tmp/card.pid); wait; }; rm -f /tmp/card.*')

    def redraw_card(self, timeout=COMMAND_TIMEOUT):
        """Draws the next frame of the card that is shown, in place."""
        shown = int(self.run('grep -c showing /tmp/card.log'))
        self.run('kill -USR1 $(cat /tmp/card.pid)')
        return self._card_shown(shown + 1, timeout)

    def _card_shown(self, count, timeout):
        wait = (f'n=0; until [ $(grep -c showing /tmp/card.log) -ge {count} ] || '
                f'grep -q error /tmp/card.log || [ $n -ge {timeout * 20} ]; do '
                'n=$((n + 1)); usleep 50000; done; cat /tmp/card.log')
        said = self.run(wait, timeout + 10)
        lines = re.findall(r'^testcard: showing (.*)', said, re.M)
        if len(lines) < count:
            raise CommandFailed(f'testcard shows nothing; it said: {said or "no word"}')
        return dict(field.split('=') for field in lines[-1].split())

    def close(self):
        self.vm.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
