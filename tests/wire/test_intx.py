# SPDX-License-Identifier: MIT
"""INTx: a level that masks itself, is unmasked by message or by resample eventfd, and never gets lost."""
import os
import select

import pytest
from waiting import eventually

from vuser import proto
from vuser.proto import ACTION_MASK as MASK, ACTION_UNMASK as UNMASK, INTX

LEVEL = 0x0C  # of the test device's BAR0
QUIET = 0.02


def set_level(client, value):
    client.write(proto.BAR0, LEVEL, 4, value)


def signal_server(client, fd):
    """Write an eventfd that the server watches, and wait until it has been noticed and acted upon."""
    os.eventfd_write(fd, 1)
    eventually(lambda: not select.select([fd], [], [], 0)[0], "the server does not look at the eventfd")
    client.barrier()


def test_intx_fires_once_per_assertion_until_unmasked(armed, eventfds, signalled):
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    set_level(armed, 1)
    assert signalled(event) == 1
    set_level(armed, 1)
    assert signalled(event, QUIET) == 0, "automasked until UNMASK"
    set_level(armed, 0)
    armed.irq_action(UNMASK, INTX)
    assert signalled(event, QUIET) == 0, "the level is low"
    set_level(armed, 1)
    assert signalled(event) == 1
    set_level(armed, 0)


def test_intx_still_asserted_at_unmask_fires_again(armed, eventfds, signalled):
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    set_level(armed, 1)
    assert signalled(event) == 1
    armed.irq_action(UNMASK, INTX)
    assert signalled(event) == 1
    set_level(armed, 0)


def test_intx_masked_by_the_client(armed, eventfds, signalled):
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    armed.irq_action(MASK, INTX)
    set_level(armed, 1)
    assert signalled(event, QUIET) == 0
    armed.irq_action(UNMASK, INTX)
    assert signalled(event) == 1
    set_level(armed, 0)


@pytest.mark.parametrize("value, fires", [(0, 0), (1, 1), (0x80, 1)])
def test_intx_mask_and_unmask_by_bool(armed, eventfds, signalled, value, fires):
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    armed.irq_action_bools(MASK, INTX, 0, [1])
    set_level(armed, 1)
    armed.irq_action_bools(UNMASK, INTX, 0, [value])
    assert signalled(event, QUIET) == fires
    set_level(armed, 0)


def test_intx_asserted_before_it_has_an_eventfd(armed, eventfds, signalled):
    """A level does not get lost: QEMU sets the eventfd anew whenever the guest reroutes the pin."""
    set_level(armed, 1)
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    assert signalled(event) == 1
    set_level(armed, 0)


def test_resample_eventfd(armed, eventfds, signalled):
    """KVM signals the UNMASK eventfd at the guest's end-of-interrupt; no message is involved."""
    event, resample = eventfds(2)
    armed.irq_eventfds(INTX, [event])
    armed.irq_eventfds(INTX, [resample], action=UNMASK)
    set_level(armed, 1)
    assert signalled(event) == 1
    for _ in range(3):
        os.eventfd_write(resample, 1)
        assert signalled(event) == 1, "still asserted"
    set_level(armed, 0)
    signal_server(armed, resample)
    assert signalled(event, QUIET) == 0
    set_level(armed, 1)
    assert signalled(event) == 1
    set_level(armed, 0)


def test_resample_eventfd_is_replaced_and_taken_away(armed, eventfds, signalled):
    event, first, second = eventfds(3)
    armed.irq_eventfds(INTX, [event])
    armed.irq_eventfds(INTX, [first], action=UNMASK)
    armed.irq_eventfds(INTX, [second], action=UNMASK)
    set_level(armed, 1)
    assert signalled(event) == 1
    os.eventfd_write(first, 1)
    assert signalled(event, QUIET) == 0
    os.eventfd_write(second, 1)
    assert signalled(event) == 1
    armed.irq_deassign(INTX, 0, 1, action=UNMASK)
    os.eventfd_write(second, 1)
    assert signalled(event, QUIET) == 0
    armed.irq_action(UNMASK, INTX)
    assert signalled(event) == 1
    set_level(armed, 0)


def test_mask_by_eventfd(armed, eventfds, signalled):
    """A MASK eventfd: writing it masks the line. Kernels have it, so a client may ask."""
    event, mask = eventfds(2)
    armed.irq_eventfds(INTX, [event])
    armed.irq_eventfds(INTX, [mask], action=MASK)
    signal_server(armed, mask)
    set_level(armed, 1)
    assert signalled(event, QUIET) == 0
    armed.irq_action(UNMASK, INTX)
    assert signalled(event) == 1
    set_level(armed, 0)


def test_intx_disabled(armed, eventfds, signalled):
    event, resample = eventfds(2)
    armed.irq_eventfds(INTX, [event])
    armed.irq_eventfds(INTX, [resample], action=UNMASK)
    armed.irq_disable(INTX)
    set_level(armed, 1)
    os.eventfd_write(resample, 1)
    armed.barrier()
    assert signalled(event, QUIET) == 0
    set_level(armed, 0)


def test_interrupt_disable_bit_silences_the_pin(armed, eventfds, signalled):
    event, = eventfds()
    armed.irq_eventfds(INTX, [event])
    armed.write(proto.CONFIG, 4, 2, 0x0406)
    set_level(armed, 1)
    assert signalled(event, QUIET) == 0
    assert armed.read(proto.CONFIG, 6, 2) & 8, "Interrupt Status shows the line even when disabled"
    armed.write(proto.CONFIG, 4, 2, 0x0006)
    assert signalled(event) == 1
    set_level(armed, 0)
    assert not armed.read(proto.CONFIG, 6, 2) & 8
