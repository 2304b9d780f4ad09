# SPDX-License-Identifier: MIT
"""Every habit of every known client, by name. The profiles are in vuser/profiles.py."""
import errno
import os
import re
from pathlib import Path

import pytest

from vuser import proto
from vuser.channel import Channel
from vuser.client import WireError
from vuser.profiles import LVU_JSON, LvuSampleClient, QEMU_JSON, QEMU_VERSION_SIZE, QemuClient, RustVmmClient
from vuser.proto import Cmd

MIB = 1 << 20
EVENTFD_TRIGGER = proto.DATA_EVENTFD | proto.ACTION_TRIGGER


def test_every_quirk_has_a_test():
    """quirks.h names for each of its entries the tests, and they are here."""
    here = Path(__file__).parent
    tests = set(re.findall(r"^def (test_\w+)", "".join(f.read_text() for f in here.glob("test_*.py")), re.M))
    entries = re.findall(r"/\*(.*?)\*/", (here.parents[1] / "src/vfio-user/quirks.h").read_text(), re.S)[2:]
    assert len(entries) > 10
    for entry in entries:
        named = re.findall(r"test_\w+", entry.partition("Tests:")[2])
        assert named, f"no test is named in {entry}"
        assert set(named) <= tests, set(named) - tests


# -- QEMU 11.1 ---------------------------------------------------------------------

def test_qemu_request_is_what_was_measured():
    assert proto.HEADER.size + proto.VERSION.size + len(QEMU_JSON) == QEMU_VERSION_SIZE


def test_qemu_from_connect_to_running(bochs, memfd, keep):
    with QemuClient(bochs.path) as client:
        found = client.realize(memfd(64 * MIB), 64 * MIB)
        for _, fd in found["regions"].values():
            if fd is not None:
                keep(fd)
        _, flags, regions, irqs = found["info"]
        assert 8 <= regions <= 100 and 3 <= irqs <= 50
        assert found["err"] == (proto.IRQ_EVENTFD | found["err"][0], 1)
        assert found["config"][:4] == b"\x34\x12\x11\x11"
        assert found["rom"] == 0, "no ROM: its BAR reads 0 after sizing"


def test_qemu_version_reply_fits_the_request_s_buffer(bochs):
    channel = Channel.connect(bochs.path)
    channel.send(proto.message(0, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON))
    frame = channel.recv()
    assert proto.HEADER.size + len(frame.payload) <= QEMU_VERSION_SIZE
    channel.close()


def test_qemu_gets_minor_0(client):
    assert client.minor == 0


def test_qemu_asks_for_irq_err_first(client):
    flags, count = client.irq_info(proto.ERR)
    assert flags & proto.IRQ_EVENTFD and count == 1


def test_qemu_kvm_intx_with_resample(tclient, eventfds, signalled):
    """The sequence that QEMU sends to hand INTx to KVM: trigger, mask, resample fd, unmask."""
    event, kvm, resample = eventfds(3)
    tclient.write(proto.CONFIG, 4, 2, 6)
    tclient.set_irqs(0x24, proto.INTX, fds=[event])
    tclient.set_irqs(0x09, proto.INTX)
    tclient.set_irqs(0x24, proto.INTX, fds=[kvm])
    tclient.set_irqs(0x14, proto.INTX, fds=[resample])
    tclient.set_irqs(0x11, proto.INTX)
    tclient.write(proto.BAR0, 0x0C, 4, 1)
    assert signalled(kvm) == 1 and signalled(event, 0.02) == 0
    os.eventfd_write(resample, 1)
    assert signalled(kvm) == 1
    tclient.write(proto.BAR0, 0x0C, 4, 0)


def test_qemu_msix_enable_takes_intx_down_first(tclient, eventfds, signalled):
    intx, *vectors = eventfds(5)
    tclient.set_irqs(0x24, proto.INTX, fds=[intx])
    tclient.set_irqs(0x21, proto.INTX, 0, 0)
    tclient.irq_eventfds(proto.MSIX, vectors)
    tclient.irq_action(proto.ACTION_TRIGGER, proto.MSIX, 0, 4)
    assert all(signalled(v) == 1 for v in vectors) and signalled(intx, 0.02) == 0
    tclient.set_irqs(0x21, proto.MSIX, 0, 0)
    tclient.set_irqs(0x24, proto.INTX, fds=[intx])
    tclient.irq_action(proto.ACTION_TRIGGER, proto.INTX)
    assert signalled(intx) == 1


def test_qemu_adds_a_vector_by_one_message(tclient, eventfds, signalled):
    events = eventfds(3)
    tclient.irq_eventfds(proto.MSIX, events[:2])
    tclient.irq_eventfds(proto.MSIX, events[2:], start=2)
    tclient.irq_action(proto.ACTION_TRIGGER, proto.MSIX, 0, 3)
    assert all(signalled(e) == 1 for e in events)


def test_qemu_seabios_reshadows_low_memory(client, memfd):
    """The maps and unmaps of a measured boot, 64 MiB of RAM."""
    ram = memfd(64 * MIB)
    client.dma_map(0, 0x4000000, ram)
    client.dma_unmap(0, 0x4000000)
    client.dma_map(0, 0xC0000, ram)
    client.dma_map(0xC0000, 0x20000, flags=proto.DMA_READABLE)
    client.dma_map(0xE0000, 0x20000, flags=proto.DMA_READABLE)
    client.dma_map(0x100000, 0x3F00000, ram, offset=0x100000)
    for address, size in ((0, 0xC0000), (0xC0000, 0x20000), (0xE0000, 0x20000), (0x100000, 0x3F00000)):
        client.dma_unmap(address, size)
    client.dma_map(0, 0xD8000, ram)
    client.dma_map(0xD8000, 0x8000, flags=proto.DMA_READABLE)
    client.dma_map(0xE0000, 0x10000, flags=proto.DMA_READABLE)
    client.dma_map(0xF0000, 0x3F10000, ram, offset=0xF0000)


def test_qemu_posts_bar_writes_and_counts_on_order(tclient):
    for n in range(2000):
        tclient.region_post(proto.BAR0, 0x08, n.to_bytes(4, "little"))
    assert tclient.read(proto.BAR0, 0x08, 4) == 1999


def test_qemu_reads_pba_but_never_writes_the_table(tclient):
    at = find_cap(tclient, 0x11)
    pba = tclient.read(proto.CONFIG, at + 8, 4)
    count = tclient.irq_info(proto.MSIX)[1]
    data = tclient.region_read(pba & 7, pba & ~7, (count + 63) // 64 * 8)
    assert data == bytes(len(data))


def test_qemu_abort_on_unread_input_is_avoided(bochs):
    """QEMU aborts on ECONNRESET, so the server drains before it closes. Here it has megabytes to drain."""
    with QemuClient(bochs.path) as client:
        client.negotiate()
        client.channel.send(proto.header(1, Cmd.REGION_WRITE, 0xFFFFFFFF))
        try:
            client.channel.send(bytes(4 * MIB), timeout=2)
        except Exception as e:
            assert "reset" not in str(e), e
        client.channel.expect_close()


def find_cap(client, cap):
    at = client.read(proto.CONFIG, 0x34, 1)
    while at:
        if client.read(proto.CONFIG, at, 1) == cap:
            return at
        at = client.read(proto.CONFIG, at + 1, 1)
    raise AssertionError(f"no capability {cap:#x}")


# -- rust-vmm / Cloud Hypervisor ----------------------------------------------------

@pytest.fixture
def rust(testdev):
    with RustVmmClient(testdev.path) as c:
        c.negotiate()
        yield c


def test_rust_vmm_proposes_0_1_and_parses_the_json(testdev):
    with RustVmmClient(testdev.path) as c:
        (major, minor), caps = c.negotiate()
        assert major == 0 and minor <= 1
        assert isinstance(caps, dict)


def test_rust_vmm_argsz_of_get_info_counts_the_header(rust):
    assert rust.get_regions() == (9, 5)


def test_rust_vmm_region_info_retry_reuses_the_id(rust):
    """And the reply to it comes with header and structure in one piece, capabilities filling the rest."""
    rust.get_regions()
    assert any(info.areas for info, _ in rust.regions)
    assert all((fd is not None) == info.mappable for info, fd in rust.regions)


def test_rust_vmm_asks_for_every_irq_index(rust):
    _, irqs = rust.get_regions()
    for index in range(irqs):
        argsz, _, got, count = rust.get_irq_info(index)
        assert (argsz, got) == (16, index) and count >= 0


def test_rust_vmm_takes_one_fd_but_sends_all_eventfds_at_once(rust, eventfds, signalled):
    count = min(rust.get_irq_info(proto.MSIX)[3], 253)
    assert count > 16
    events = eventfds(count)
    rust.set_irqs(proto.MSIX, EVENTFD_TRIGGER, 0, count, events)
    rust.set_irqs(proto.MSIX, proto.DATA_NONE | proto.ACTION_TRIGGER, 0, count)
    assert all(signalled(e) == 1 for e in events)
    assert rust.in_step()


def test_rust_vmm_dma(rust, memfd):
    ram = memfd(MIB)
    rust.dma_map(0, MIB, ram)
    assert len(rust.dma_unmap(0, MIB)) == 40
    assert rust.in_step()


def test_rust_vmm_reads_all_ones_instead_of_an_error(rust):
    """It ignores the error bit and waits for the data: an error reply would put it out of step for good."""
    assert rust.region_read(99, 0, 4) == b"\xff" * 4
    assert rust.region_read(proto.BAR0, 1 << 40, 8) == b"\xff" * 8
    assert rust.region_read(proto.BAR0, 4094, 4) == b"\xff" * 4
    assert rust.region_read(proto.VGA, 0, 2) == b"\xff" * 2
    assert rust.in_step()


def test_rust_vmm_stays_in_step_after_a_bad_write(rust):
    """It reads 32 bytes after a write, error or not."""
    assert len(rust.region_write(99, 0, b"data")) == 32
    assert len(rust.region_write(proto.BAR0, 1 << 40, b"data")) == 32
    assert rust.in_step()


def test_rust_vmm_stays_in_step_after_a_bad_unmap(rust):
    """It reads 40 bytes after an unmap, error or not."""
    assert len(rust.dma_unmap(1 << 40, 4096)) == 40
    assert rust.in_step()


def test_rust_vmm_header_only_errors_are_harmless(rust, memfd):
    """DMA_MAP, SET_IRQS and RESET have no payload in the good case, so an error is as long."""
    ram = memfd(MIB)
    rust.dma_map(0, MIB, ram)
    assert proto.HEADER.unpack(rust.dma_map(0, MIB, ram))[3:] == (proto.REPLY | proto.ERROR, errno.EEXIST)
    assert proto.HEADER.unpack(rust.set_irqs(proto.MSIX, EVENTFD_TRIGGER, 1 << 20, 1))[3] & proto.ERROR
    rust.reset()
    assert rust.in_step()


def test_rust_vmm_partial_disable(rust, eventfds, signalled):
    """vfio-ioctls' habit that it shares: disable an index with NONE | TRIGGER and count 0."""
    events = eventfds(4)
    rust.set_irqs(proto.MSIX, EVENTFD_TRIGGER, 0, 4, events)
    rust.set_irqs(proto.MSIX, proto.DATA_NONE | proto.ACTION_TRIGGER, 0, 0)
    rust.set_irqs(proto.MSIX, proto.DATA_NONE | proto.ACTION_TRIGGER, 0, 4)
    assert all(signalled(e, 0.01) == 0 for e in events)
    assert rust.in_step()


# -- libvfio-user's samples/client.c ---------------------------------------------------

@pytest.fixture
def lvu(testdev):
    with LvuSampleClient(testdev.path) as c:
        c.negotiate()
        yield c


def test_lvu_proposes_0_2(lvu):
    assert lvu.minor <= 2


def test_lvu_expects_einval_from_a_bogus_region(lvu):
    """The opposite of rust-vmm: this one checks that the error is an error."""
    with pytest.raises(WireError) as caught:
        lvu.region_read(0xDEADBEEF, 0, 4)
    assert caught.value.errno == errno.EINVAL


def test_lvu_wants_exactly_nine_regions(lvu):
    assert lvu.get_info()[2] == 9


def test_lvu_pads_the_region_info_retry_to_argsz(lvu):
    """Its second request is as long as the reply that it expects."""
    padded = 0
    for index in range(9):
        info, fd = lvu.region_info_padded(index)
        padded += info.argsz > proto.REGION_INFO.size
        if fd is not None:
            os.close(fd)
    assert padded


def test_lvu_takes_1024_bytes_at_a_time(testdev):
    with LvuSampleClient(testdev.path) as c:
        _, _, caps = c.version(0, 2, data=LVU_JSON)
        assert len(c.region_read(proto.CONFIG, 0, 64)) == 64
        assert caps.get("max_data_xfer_size", 1 << 20) >= 1024


def test_lvu_sequence(lvu, memfd, eventfds, signalled):
    """reset, maps of single pages of one file, irqs, unmaps with the same id again and again."""
    lvu.region_read(proto.CONFIG, 0, 64)
    lvu.reset()
    ram = memfd(32 * 4096)
    for n in range(32):
        lvu.call(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, n * 4096, n * 4096, 4096), (ram,), msg_id=0x1234 + n)
    for index in range(5):
        lvu.irq_info(index)
    event, = eventfds()
    lvu.irq_eventfds(proto.INTX, [event])
    for n in range(16):
        request = proto.DMA_UNMAP.pack(24, 0, n * 4096, 4096)
        assert lvu.call(Cmd.DMA_UNMAP, request, msg_id=7).payload == request
