# SPDX-License-Identifier: MIT
"""MSI and MSI-X: the device's own vectors, pending bits, and what the guest has enabled."""
from vuser import proto
from vuser.proto import MSI, MSIX

VECTOR, COUNT = 0x00, 0x04  # of the test device's BAR0
QUIET = 0.02


def enable_msix(client):
    """Message Control of the MSI-X capability, found by walking the list."""
    at = client.read(proto.CONFIG, 0x34, 1)
    while at and client.read(proto.CONFIG, at, 1) != 0x11:
        at = client.read(proto.CONFIG, at + 1, 1)
    assert at
    client.write(proto.CONFIG, at + 2, 2, client.read(proto.CONFIG, at + 2, 2) | 0x8000)


def test_device_s_own_vectors_reach_their_eventfds(armed, eventfds, signalled):
    events = eventfds(5)
    armed.irq_eventfds(MSIX, events)
    enable_msix(armed)
    for vector in (4, 0, 2, 2):
        armed.write(proto.BAR0, VECTOR, 4, vector)
    assert [signalled(e, QUIET) for e in events] == [1, 0, 2, 0, 1]


def test_count_register_counts(armed):
    """The test driver counts what it was told to raise, whether or not anybody listens."""
    before = armed.read(proto.BAR0, COUNT, 4)
    armed.write(proto.BAR0, VECTOR, 4, 1)
    assert armed.read(proto.BAR0, COUNT, 4) == before + 1


def msix_where(client):
    """(capability, table region, table offset, pba region, pba offset)"""
    at = client.read(proto.CONFIG, 0x34, 1)
    while client.read(proto.CONFIG, at, 1) != 0x11:
        at = client.read(proto.CONFIG, at + 1, 1)
    table, pba = client.read(proto.CONFIG, at + 4, 4), client.read(proto.CONFIG, at + 8, 4)
    return at, table & 7, table & ~7, pba & 7, pba & ~7


def test_vector_without_eventfd_is_pending_until_it_gets_one(armed, eventfds, signalled):
    """That is how clients mask a vector: they take its eventfd away and look at the pending bits."""
    _, _, _, region, offset = msix_where(armed)
    first, late = eventfds(2)
    armed.irq_eventfds(MSIX, [first])
    enable_msix(armed)
    armed.write(proto.BAR0, VECTOR, 4, 3)
    assert armed.read(region, offset, 8) == 1 << 3
    armed.irq_eventfds(MSIX, [late], start=3)
    assert signalled(late) == 1
    assert armed.read(region, offset, 8) == 0
    assert signalled(first, QUIET) == 0


def test_vector_whose_eventfd_is_taken_away(armed, eventfds, signalled):
    _, _, _, region, offset = msix_where(armed)
    events = eventfds(4)
    armed.irq_eventfds(MSIX, events)
    enable_msix(armed)
    armed.irq_deassign(MSIX, 2, 1)
    armed.write(proto.BAR0, VECTOR, 4, 2)
    armed.write(proto.BAR0, VECTOR, 4, 2)
    assert armed.read(region, offset, 8) == 1 << 2
    armed.irq_eventfds(MSIX, events[2:3], start=2)
    assert signalled(events[2]) == 1, "pending is one bit, not a count"


def test_pending_bits_are_gone_after_a_reset(armed, eventfds, signalled):
    _, _, _, region, offset = msix_where(armed)
    armed.irq_eventfds(MSIX, eventfds(1))
    enable_msix(armed)
    armed.write(proto.BAR0, VECTOR, 4, 5)
    assert armed.read(region, offset, 8)
    armed.reset()
    assert armed.read(region, offset, 8) == 0
    event, = eventfds()
    armed.irq_eventfds(MSIX, [event], start=5)
    assert signalled(event, QUIET) == 0


def test_last_vector_s_pending_bit(armed, eventfds):
    """Beyond the first 64 the bits are in the next quadword."""
    _, _, _, region, offset = msix_where(armed)
    _, count = armed.irq_info(MSIX)
    assert count > 64
    armed.irq_eventfds(MSIX, eventfds(1))
    enable_msix(armed)
    armed.write(proto.BAR0, VECTOR, 4, count - 1)
    bits = armed.region_read(region, offset, (count + 63) // 64 * 8)
    assert int.from_bytes(bits, "little") == 1 << count - 1
    armed.irq_disable(MSIX)


def test_msi_beyond_what_the_guest_enabled(armed, eventfds, signalled):
    """Multiple Message Enable says how many vectors the guest set aside; a device may not use more."""
    at = armed.read(proto.CONFIG, 0x34, 1)
    while armed.read(proto.CONFIG, at, 1) != 0x05:
        at = armed.read(proto.CONFIG, at + 1, 1)
    events = eventfds(8)
    armed.irq_eventfds(MSI, events)
    armed.write(proto.CONFIG, at + 2, 2, 1 | 1 << 4)
    for vector in (0, 1):
        armed.write(proto.BAR0, VECTOR, 4, vector)
    assert [signalled(e, QUIET) for e in events] == [1, 1, 0, 0, 0, 0, 0, 0]
