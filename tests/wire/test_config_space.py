# SPDX-License-Identifier: MIT
"""Config space behaves as the PCI specifications say, whatever is written to it."""
import os

import pytest

from vuser import pci, proto
from vuser.client import WireError
from vuser.pci import ConfigSpace

SCRATCH = 0x08


@pytest.fixture(params=["bochs", "testdev"])
def cfg(request):
    """Both devices' config space."""
    name = "client" if request.param == "bochs" else "tclient"
    return ConfigSpace(request.getfixturevalue(name))


@pytest.fixture
def tcfg(tclient):
    return ConfigSpace(tclient)


# -- header ------------------------------------------------------------------------

def test_bochs_identity(client):
    cfg = ConfigSpace(client)
    assert cfg.read(0, 4) == 0x11111234
    assert cfg.read(pci.CLASS + 1, 3) == 0x038000
    assert cfg.read(pci.HEADER_TYPE, 1) == 0


def test_read_only_fields(cfg):
    """Ids, class, revision, header type, subsystem, capability pointer, interrupt pin, min_gnt, max_lat."""
    before = cfg.all()[:0x40]
    for offset in (*range(0x00, 0x04), *range(0x08, 0x0C), 0x0E, *range(0x28, 0x30), *range(0x34, 0x3C), 0x3D, 0x3E, 0x3F):
        cfg.write(offset, 1, before[offset] ^ 0xFF)
    assert cfg.all()[:0x40] == before


def test_command_register_keeps_only_what_exists(cfg):
    cfg.write(pci.COMMAND, 2, 0xFFFF)
    value = cfg.read(pci.COMMAND, 2)
    assert value & pci.CMD_MEMORY and value & pci.CMD_MASTER
    # I/O, memory, master, parity, SERR, interrupt disable: all else reads 0 on a PCIe or PCI 3.0 function.
    assert value & ~0x0547 == 0
    cfg.write(pci.COMMAND, 2, 0)
    assert cfg.read(pci.COMMAND, 2) == 0


def test_io_decode_only_where_there_is_io(cfg):
    has_io = any(kind == "io" for kind, _, _ in cfg.probe_bars().values())
    cfg.write(pci.COMMAND, 2, pci.CMD_IO)
    assert bool(cfg.read(pci.COMMAND, 2) & pci.CMD_IO) == has_io


def test_command_register_by_bytes(tcfg):
    tcfg.write(pci.COMMAND, 1, 0x06)
    tcfg.write(pci.COMMAND + 1, 1, 0x04)
    assert tcfg.read(pci.COMMAND, 2) == 0x0406
    tcfg.write(pci.COMMAND, 1, 0)
    assert tcfg.read(pci.COMMAND, 2) == 0x0400


def test_interrupt_disable(tcfg):
    assert tcfg.read(pci.IRQ_PIN, 1)
    tcfg.write(pci.COMMAND, 2, pci.CMD_INTX_DISABLE)
    assert tcfg.read(pci.COMMAND, 2) == pci.CMD_INTX_DISABLE


def test_status_is_written_one_to_clear(cfg):
    before = cfg.read(pci.STATUS, 2)
    cfg.write(pci.STATUS, 2, 0xFFFF)
    after = cfg.read(pci.STATUS, 2)
    assert after & 0xF900 == 0
    assert after & 0x06F7 == before & 0x06F7


def test_capability_bit_and_pointer_agree(cfg):
    assert bool(cfg.read(pci.STATUS, 2) & pci.STATUS_CAP_LIST) == bool(cfg.read(pci.CAP_POINTER, 1))


@pytest.mark.parametrize("offset", [pci.CACHE_LINE, pci.IRQ_LINE])
@pytest.mark.parametrize("value", [0, 1, 0x10, 0xFF])
def test_bytes_that_belong_to_software(cfg, offset, value):
    cfg.write(offset, 1, value)
    assert cfg.read(offset, 1) == value


def test_interrupt_pin(cfg):
    count = cfg.client.irq_info(proto.INTX)[1]
    assert cfg.read(pci.IRQ_PIN, 1) in (range(1, 5) if count else (0,))


def test_bist_is_not_implemented(cfg):
    cfg.write(0x0F, 1, 0x40)
    assert cfg.read(0x0F, 1) == 0


def test_any_access_size(cfg):
    whole = cfg.all()
    assert len(whole) == cfg.size
    for size in (1, 2, 3, 4, 5, 7, 8, 16, 64):
        for offset in (0, 1, 2, 3, 0x0D, 0x3B, cfg.size - size):
            assert cfg.client.region_read(proto.CONFIG, offset, size) == whole[offset:offset + size]


def test_writes_of_any_size_and_offset_are_survived(cfg):
    """All-ones over everything by every size: the identity stays and the list stays walkable."""
    identity = cfg.read(0, 4)
    caps = cfg.caps()
    for size in (1, 2, 3, 4, 5, 8, 13, 64):
        for offset in range(0, cfg.size - size, 7 if cfg.size == 256 else 61):
            cfg.client.region_write(proto.CONFIG, offset, b"\xff" * size)
    cfg.client.region_write(proto.CONFIG, 0, b"\xff" * cfg.size)
    cfg.client.region_write(proto.CONFIG, 0, b"\0" * cfg.size)
    assert cfg.read(0, 4) == identity
    assert cfg.caps() == caps


def test_unimplemented_bytes_read_zero(cfg):
    """Between the capabilities nothing answers."""
    if not cfg.caps():
        assert cfg.all()[0x40:0x100] == bytes(0xC0)


# -- BARs --------------------------------------------------------------------------

def test_sizing_agrees_with_region_info(cfg, keep):
    bars = cfg.probe_bars()
    for index in range(6):
        info, fd = cfg.client.region_info(index)
        if fd is not None:
            keep(fd)
        assert info.size == (bars[index][1] if index in bars else 0)


def test_bochs_bars(client):
    bars = ConfigSpace(client).probe_bars()
    assert set(bars) == {0, 2}
    assert bars[0][1:] == (16 << 20, True)
    assert bars[2][1:] == (4096, False)


def test_testdev_has_a_64_bit_bar(tcfg):
    assert "mem64" in {kind for kind, _, _ in tcfg.probe_bars().values()}


def test_bars_hold_addresses(cfg):
    for index, (kind, size, _) in cfg.probe_bars().items():
        at = pci.BAR + 4 * index
        low = cfg.read(at, 4) & (3 if kind == "io" else 15)
        address = 0xC000 if kind == "io" else 0x80000000
        cfg.write(at, 4, address | 0xF)
        assert cfg.read(at, 4) == address & ~(size - 1) & 0xFFFFFFFF | low
        if kind == "mem64":
            cfg.write(at + 4, 4, 0x12345678)
            assert cfg.read(at + 4, 4) == 0x12345678 & ~(size - 1 >> 32)
            cfg.write(at + 4, 4, 0)
        cfg.write(at, 4, 0)


def test_address_bits_below_the_size_read_zero(cfg):
    for index, (kind, size, _) in cfg.probe_bars().items():
        if kind == "io":
            continue
        at = pci.BAR + 4 * index
        cfg.write(at, 4, size - 16 & 0xFFFFFFFF)
        assert cfg.read(at, 4) & 0xFFFFFFF0 & (size - 1) == 0
        cfg.write(at, 4, 0)


def test_bar_by_bytes(cfg):
    """Byte writes build an address as dwords do."""
    index, (kind, size, _) = next((i, b) for i, b in cfg.probe_bars().items() if b[0] != "io" and b[1] <= 16 << 20)
    at = pci.BAR + 4 * index
    cfg.write(at + 3, 1, 0xE3)
    assert cfg.read(at, 4) & 0xFF000000 == 0xE3000000
    cfg.write(at, 4, 0)
    assert cfg.read(at, 4) & ~0xF == 0


def test_absent_bars_read_zero(cfg):
    bars = cfg.probe_bars()
    taken = set(bars) | {index + 1 for index, (kind, _, _) in bars.items() if kind == "mem64"}
    for index in set(range(6)) - taken:
        cfg.write(pci.BAR + 4 * index, 4, 0xFFFFFFFF)
        assert cfg.read(pci.BAR + 4 * index, 4) == 0


def test_rom_bar_of_a_device_without_rom(client):
    cfg = ConfigSpace(client)
    assert cfg.client.region_info(proto.ROM)[0].size == 0
    for value in (0xFFFFFFFF, 0xFFFFF800, 1):
        cfg.write(pci.ROM_BAR, 4, value)
        assert cfg.read(pci.ROM_BAR, 4) == 0


def test_rom_bar(tcfg):
    """Sized like a BAR, bit 0 is the decode enable, and the region holds the image, read-only."""
    info, fd = tcfg.client.region_info(proto.ROM)
    assert fd is None and info.size and info.flags == proto.REGION_READABLE
    tcfg.write(pci.ROM_BAR, 4, 0xFFFFFFFE)
    assert tcfg.read(pci.ROM_BAR, 4) == 0x100000000 - info.size
    tcfg.write(pci.ROM_BAR, 4, 0xFE000001)
    assert tcfg.read(pci.ROM_BAR, 4) == 0xFE000001
    image = tcfg.client.region_read(proto.ROM, 0, info.size)
    assert image[:2] == b"\x55\xaa"
    pcir = int.from_bytes(image[0x18:0x1A], "little")
    assert image[pcir:pcir + 4] == b"PCIR"
    assert image[pcir + 4:pcir + 8] == tcfg.client.region_read(proto.CONFIG, 0, 4)
    with pytest.raises(WireError):
        tcfg.client.region_write(proto.ROM, 0x100, b"\0")
    assert tcfg.client.region_read(proto.ROM, 0x100, 16) == image[0x100:0x110]


# -- capabilities --------------------------------------------------------------------

def test_capability_list_is_sound(cfg):
    cfg.caps()


def test_testdev_capabilities(tcfg):
    ids = [cap for cap, _ in tcfg.caps()]
    assert {pci.CAP_PM, pci.CAP_MSI, pci.CAP_EXPRESS, pci.CAP_MSIX} <= set(ids)
    assert tcfg.size == 4096, "PCIe has extended config space"


def test_extended_list_is_empty_or_sound(cfg):
    if cfg.size < 4096:
        return
    at, seen = 0x100, set()
    head = cfg.read(at, 4)
    if head in (0, 0xFFFFFFFF):
        return
    while at:
        assert at % 4 == 0 and 0x100 <= at < 0x1000 and at not in seen
        seen.add(at)
        head = cfg.read(at, 4)
        assert head & 0xFFFF and head >> 16 & 0xF
        at = head >> 20


def test_msi(tcfg):
    at = tcfg.cap(pci.CAP_MSI)
    control = tcfg.read(at + 2, 2)
    assert control & 1 == 0
    assert 1 << (control >> 1 & 7) == tcfg.client.irq_info(proto.MSI)[1]
    wide = bool(control & 0x80)
    tcfg.write(at + 4, 4, 0xFEE0F00C)
    assert tcfg.read(at + 4, 4) == 0xFEE0F00C
    tcfg.write(at + 4, 4, 0xFFFFFFFF)
    assert tcfg.read(at + 4, 4) == 0xFFFFFFFC, "the address is dword-aligned"
    data = at + (12 if wide else 8)
    tcfg.write(data, 2, 0x4123)
    assert tcfg.read(data, 2) == 0x4123
    tcfg.write(at + 2, 2, 0xFFFF)
    value = tcfg.read(at + 2, 2)
    assert value & 1 and value >> 4 & 7 <= 7
    assert value & 0xFF8E == control & 0xFF8E, "only enable and multiple message enable are writable"


def test_msix(tcfg):
    at = tcfg.cap(pci.CAP_MSIX)
    control = tcfg.read(at + 2, 2)
    count = (control & 0x7FF) + 1
    assert count == tcfg.client.irq_info(proto.MSIX)[1]
    tcfg.write(at + 2, 2, 0xFFFF)
    assert tcfg.read(at + 2, 2) == control & 0x7FF | 0xC000
    table, pba = tcfg.read(at + 4, 4), tcfg.read(at + 8, 4)
    tcfg.write(at + 4, 4, 0xFFFFFFFF)
    tcfg.write(at + 8, 4, 0xFFFFFFFF)
    assert (tcfg.read(at + 4, 4), tcfg.read(at + 8, 4)) == (table, pba)
    sizes = {index: size for index, (_, size, _) in tcfg.probe_bars().items()}
    assert (table & ~7) + 16 * count <= sizes[table & 7]
    assert (pba & ~7) + (count + 63) // 64 * 8 <= sizes[pba & 7]


def test_msix_table_and_pba_are_trapped(tcfg, keep):
    at = tcfg.cap(pci.CAP_MSIX)
    for value in (tcfg.read(at + 4, 4), tcfg.read(at + 8, 4)):
        info, fd = tcfg.client.region_info(value & 7)
        if fd is not None:
            keep(fd)
        offset = value & ~7
        assert not any(first <= offset < first + size for first, size in info.areas or ())


def test_msix_table_is_memory(tcfg):
    """Address, data and the mask bit of each entry hold what is written; reserved control bits do not."""
    at = tcfg.cap(pci.CAP_MSIX)
    table = tcfg.read(at + 4, 4)
    count = (tcfg.read(at + 2, 2) & 0x7FF) + 1
    region, base = table & 7, table & ~7
    client = tcfg.client
    for entry in (0, 1, count - 1):
        where = base + 16 * entry
        assert client.read(region, where + 12, 4) & 1 == 1, "masked out of reset"
        client.region_write(region, where, b"\x0c\xf0\xe0\xfe\0\0\0\0\x41\x42\0\0\0\0\0\0")
        assert client.region_read(region, where, 16) == b"\x0c\xf0\xe0\xfe\0\0\0\0\x41\x42\0\0\0\0\0\0"
        client.write(region, where + 12, 4, 0xFFFFFFFF)
        assert client.read(region, where + 12, 4) & 1 == 1


def test_msix_pending_bits_are_read_only(tcfg):
    at = tcfg.cap(pci.CAP_MSIX)
    pba = tcfg.read(at + 8, 4)
    tcfg.client.region_write(pba & 7, pba & ~7, b"\xff" * 8)
    assert tcfg.client.region_read(pba & 7, pba & ~7, 8) == bytes(8)


def test_express(tcfg):
    at = tcfg.cap(pci.CAP_EXPRESS)
    flags = tcfg.read(at + 2, 2)
    assert flags & 0xF == 2
    has_io = any(kind == "io" for kind, _, _ in tcfg.probe_bars().values())
    assert flags >> 4 & 0xF in ((1,) if has_io else (0, 9)), "an endpoint; one with I/O space is a legacy one"
    assert tcfg.read(at + 4, 4) & 1 << 28, "function level reset"


# -- power and resets -------------------------------------------------------------------

def dirty(cfg):
    """Leave traces that a reset has to clear."""
    cfg.write(pci.COMMAND, 2, 0x0406)
    cfg.write(pci.BAR, 4, 0xE0000000)
    cfg.write(pci.IRQ_LINE, 1, 9)
    cfg.client.write(proto.BAR0, SCRATCH, 4, 0xABCD)


def assert_reset(cfg):
    assert cfg.read(pci.COMMAND, 2) == 0
    assert cfg.read(pci.BAR, 4) & ~0xF == 0
    assert cfg.client.read(proto.BAR0, SCRATCH, 4) == 0


def test_function_level_reset(tcfg):
    at = tcfg.cap(pci.CAP_EXPRESS)
    dirty(tcfg)
    control = tcfg.read(at + 8, 2)
    tcfg.write(at + 8, 2, control | 0x8000)
    assert tcfg.read(at + 8, 2) & 0x8000 == 0, "the bit always reads 0"
    assert_reset(tcfg)


def test_function_level_reset_disables_msi_and_msix(tcfg):
    msi, msix = tcfg.cap(pci.CAP_MSI), tcfg.cap(pci.CAP_MSIX)
    tcfg.write(msi + 2, 2, 1)
    tcfg.write(msix + 2, 2, 0xC000)
    tcfg.write(tcfg.cap(pci.CAP_EXPRESS) + 8, 2, 0x8000)
    assert tcfg.read(msi + 2, 2) & 1 == 0
    assert tcfg.read(msix + 2, 2) & 0xC000 == 0


def test_power_state_is_held(tcfg):
    at = tcfg.cap(pci.CAP_PM)
    assert tcfg.read(at + 2, 2) & 7 in (2, 3)
    assert tcfg.read(at + 4, 2) & 3 == 0
    tcfg.write(at + 4, 2, 3)
    assert tcfg.read(at + 4, 2) & 3 == 3
    tcfg.write(at + 4, 2, 0)
    assert tcfg.read(at + 4, 2) & 3 == 0


def test_unsupported_power_states_are_not_entered(tcfg):
    at = tcfg.cap(pci.CAP_PM)
    capabilities = tcfg.read(at + 2, 2)
    for state, bit in ((1, 0x200), (2, 0x400)):
        if not capabilities & bit:
            tcfg.write(at + 4, 2, state)
            assert tcfg.read(at + 4, 2) & 3 == 0


def test_d3hot_to_d0(tcfg):
    """Without No_Soft_Reset the way back to D0 is a reset; with it everything is kept."""
    at = tcfg.cap(pci.CAP_PM)
    dirty(tcfg)
    tcfg.write(at + 4, 2, 3)
    tcfg.write(at + 4, 2, 0)
    if tcfg.read(at + 4, 2) & 8:
        assert tcfg.read(pci.COMMAND, 2) == 0x0406
        assert tcfg.client.read(proto.BAR0, SCRATCH, 4) == 0xABCD
    else:
        assert_reset(tcfg)


def test_no_interrupt_in_d3hot(tcfg, eventfds, signalled):
    event, = eventfds()
    tcfg.client.irq_eventfds(proto.INTX, [event])
    at = tcfg.cap(pci.CAP_PM)
    tcfg.write(at + 4, 2, 3)
    tcfg.client.write(proto.BAR0, 0x0C, 4, 1)
    assert signalled(event, 0.02) == 0
    tcfg.write(at + 4, 2, 0)


def test_reset_in_d3hot_returns_to_d0(tcfg):
    at = tcfg.cap(pci.CAP_PM)
    tcfg.write(at + 4, 2, 3)
    tcfg.client.reset()
    assert tcfg.read(at + 4, 2) & 3 == 0


def test_memory_survives_function_level_reset(tcfg, keep):
    """Mapped areas keep their file and contents; only registers go back."""
    for index in range(6):
        info, fd = tcfg.client.region_info(index)
        if fd is not None:
            keep(fd)
            offset = info.areas[0][0] if info.areas else 0
            os.pwrite(fd, b"kept", info.offset + offset)
            tcfg.write(tcfg.cap(pci.CAP_EXPRESS) + 8, 2, 0x8000)
            assert tcfg.client.region_read(index, offset, 4) == b"kept"
            return
    raise AssertionError("no mapped area")
