# SPDX-License-Identifier: MIT
"""A guest without an operating system that runs one of its tests."""

from . import paths, qemu

START_TIMEOUT = 30
TEST_TIMEOUT = 60


class BareGuest:
    """Runs test `name` of tests/guest/bare on the attached device."""

    def __init__(self, folder, name, device, memory=None):
        args = ['-M', 'q35', *(memory or qemu.memory('64M')), '-kernel',
                str(paths.guest_program('bare.elf')), '-append', name,
                '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', *device]
        self.vm = qemu.Qemu(folder, args)
        self.console = self.vm.serials['console']
        self.console.wait_for(f'^begin: {name}$', START_TIMEOUT)

    def wait_for(self, pattern, timeout=TEST_TIMEOUT):
        return self.console.wait_for(pattern, timeout)

    def go_on(self):
        """Lets a test continue that waits for the host."""
        self.console.send('')

    def finish(self):
        """Waits for the end; every check must have passed, and some must be there."""
        end = self.wait_for(r'^end: (\d+) checks, (\d+) failed$')
        failed = [line for line in self.console.lines if line.startswith('FAILED')]
        assert not failed and end[2] == '0', '\n'.join(failed)
        assert int(end[1]) > 0, 'the test checked nothing'
        # The guest turns the machine off itself.
        assert self.vm.process.wait(10) == 1, self.vm.process.log()

    def close(self):
        self.vm.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
