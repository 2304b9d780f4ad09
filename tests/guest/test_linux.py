# SPDX-License-Identifier: MIT
"""Debian's kernels with their own bochs driver, on a vGPU."""

import pytest

from lib import card, paths, qemu
from lib.linux import LinuxGuest

pytestmark = pytest.mark.kernel

# At least those of Debian 12, 13 and its backports: a lab without one of them
# is a failure, not a shorter list.
KERNELS = ['6.1', '6.12', 'newest']
# As vgpud starts it: with the rights that serving needs, and no others.
AS_A_WORKER = ('--sandbox', 'auto')
REGION_MESSAGES = ('region_read', 'region_write', 'region_write_multi')


def boot(folder, kernel, device, **options):
    return LinuxGuest(folder, kernel, qemu.vfio_user(device.socket), ['bochs'],
                      [paths.guest_program('testcard')], **options)


def check_screen(folder, device, shown):
    """What the guest holds in its buffer is what it drew, and what the vGPU shows."""
    assert shown['buffer'] == shown['drawn']
    png = device.screenshot(folder / 'screen.png')
    card.compare(png, shown['driver'], shown['frame'], shown['mode'])


def region_messages(device):
    requests = device.stats()['requests']
    return sum(requests.get(kind, 0) for kind in REGION_MESSAGES)


def test_lab_has_three_kernels():
    kernels = paths.kernels()
    assert {'6.1', '6.12'} < set(kernels)
    assert int(kernels[-1].split('.')[0]) >= 7


@pytest.mark.parametrize('kernel', KERNELS)
def test_kernel(folder, server, kernel):
    device = server(arguments=AS_A_WORKER)
    with boot(folder, kernel, device) as guest:
        guest.ready()
        bound = guest.run('readlink /sys/bus/pci/devices/*/driver')
        assert 'bochs-drm' in bound, bound + guest.run('dmesg | tail -20')

        shown = guest.show_card()
        assert shown['driver'] == 'bochs-drm'
        assert shown['mode'] == '1024x768', 'the mode that the type prefers'
        check_screen(folder, device, shown)

        # Video memory is mapped: drawing costs no message. A driver that has
        # to be told of changes may then write some registers, as many for a
        # hundred pictures as for one.
        few = 40 if shown['dirtyfb'] == 'yes' else 0
        before = region_messages(device)
        shown = guest.redraw_card()
        assert region_messages(device) - before <= few
        check_screen(folder, device, shown)
        shown = guest.show_card('--fills 100 --frame 7')
        before = region_messages(device)
        shown = guest.redraw_card()
        assert region_messages(device) - before <= few
        check_screen(folder, device, shown)

        # Two buffers in turn, odd and even number of flips.
        for arguments in ('--frame 20 --flips 5', '--frame 40 --flips 6'):
            shown = guest.show_card(arguments)
            check_screen(folder, device, shown)
        for mode in ('640x480', '800x600'):
            shown = guest.show_card(f'--frame 60 --mode {mode}')
            assert shown['mode'] == mode
            check_screen(folder, device, shown)


@pytest.mark.parametrize('kernel', ['6.12'])
def test_reboot(folder, server, kernel):
    device = server(arguments=AS_A_WORKER)
    with boot(folder, kernel, device) as guest:
        guest.ready()
        check_screen(folder, device, guest.show_card('--frame 1'))
        guest.commands.send('reboot -f')
        guest.ready()
        check_screen(folder, device, guest.show_card('--frame 2'))


@pytest.mark.parametrize('kernel', ['newest'])
def test_killed_vmm(folder, server, kernel):
    """QEMU dies while a picture is shown; the next one starts on the same vGPU."""
    device = server(arguments=AS_A_WORKER)
    for frame in (1, 2):
        own = folder / str(frame)
        own.mkdir()
        with boot(own, kernel, device) as guest:
            guest.ready()
            check_screen(folder, device, guest.show_card(f'--frame {frame}'))
            guest.vm.process.kill()
        assert device.process.running(), device.log()


def test_unbind_and_bind(folder, server):
    """The guest takes its driver off the device and puts it on again."""
    device = server(arguments=AS_A_WORKER)
    with boot(folder, '6.12', device) as guest:
        guest.ready()
        check_screen(folder, device, guest.show_card('--frame 1'))
        guest.hide_card()
        driver = '/sys/bus/pci/drivers/bochs-drm'
        address = guest.run(f'basename {driver}/0000:*').strip()
        guest.run('echo 0 > /sys/class/vtconsole/vtcon1/bind')
        guest.run(f'echo {address} > {driver}/unbind')
        guest.run(f'echo {address} > {driver}/bind')
        check_screen(folder, device, guest.show_card('--frame 2'))
