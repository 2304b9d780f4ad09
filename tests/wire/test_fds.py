# SPDX-License-Identifier: MIT
"""Nothing that a client passes or causes stays open, whatever becomes of the request."""
import os
import resource

import pytest

from vuser import proto
from vuser.channel import Closed, Timeout
from vuser.client import WireError
from vuser.profiles import QemuClient
from vuser.proto import Cmd

MIB = 1 << 20

REFUSED = {
    "unknown": (99, b""),
    "version-again": (Cmd.VERSION, proto.VERSION.pack(0, 0)),
    "map-argsz": (Cmd.DMA_MAP, proto.DMA_MAP.pack(0, 3, 0, 0, MIB)),
    "map-two-fds": (Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, MIB)),
    "unmap": (Cmd.DMA_UNMAP, proto.DMA_UNMAP.pack(24, 0, 0, MIB)),
    "info": (Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0)),
    "region-info": (Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(32, 0, 0, 0, 0, 0)),
    "io-fds": (Cmd.DEVICE_GET_REGION_IO_FDS, proto.IO_FDS.pack(16, 0, 0, 0)),
    "irq-info": (Cmd.DEVICE_GET_IRQ_INFO, proto.IRQ_INFO.pack(16, 0, 0, 0)),
    "irqs-count": (Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, 0x24, proto.MSIX, 0, 9)),
    "irqs-index": (Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, 0x24, 9, 0, 3)),
    "irqs-flags": (Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(20, 0x3F, proto.MSIX, 0, 3)),
    "irqs-short": (Cmd.DEVICE_SET_IRQS, b"1234"),
    "read": (Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4)),
    "write": (Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(0x3C, proto.CONFIG, 1) + b"\1"),
    "multi": (Cmd.REGION_WRITE_MULTI, proto.WRITE_MULTI.pack(0)),
    "reset": (Cmd.DEVICE_RESET, b""),
    "feature": (Cmd.DEVICE_FEATURE, proto.FEATURE.pack(8, proto.FEATURE_PROBE | proto.FEATURE_GET | 1)),
    "mig-read": (Cmd.MIG_DATA_READ, proto.MIG_DATA.pack(8, 0)),
    "mig-write": (Cmd.MIG_DATA_WRITE, proto.MIG_DATA.pack(8, 0)),
}


@pytest.mark.parametrize("kind", list(REFUSED))
@pytest.mark.parametrize("posted", [False, True], ids=["answered", "posted"])
def test_fds_of_a_refused_command_are_closed(testdev, tclient, memfd, kind, posted):
    cmd, payload = REFUSED[kind]
    before = testdev.fds()
    fds = [memfd(MIB) for _ in range(3)]
    if posted:
        tclient.post(cmd, payload, fds)
    else:
        with pytest.raises(WireError):
            tclient.call(cmd, payload, fds)
    tclient.barrier()
    assert testdev.fds() == before


def test_what_a_session_holds_is_what_it_was_given(testdev, tclient, memfd, eventfds):
    """Counted by kind: one eventfd per vector, at most one file per map, nothing else."""
    before = testdev.fds()
    events = eventfds(8)
    tclient.irq_eventfds(proto.MSIX, events)
    tclient.irq_eventfds(proto.INTX, events[:1])
    now = testdev.fds() - before
    assert sum(now.values()) == 9
    for n in range(10):
        tclient.dma_map(n * MIB, MIB, memfd(MIB))
    held = testdev.fds() - before - now
    assert sum(held.values()) <= 10
    for n in range(10):
        tclient.dma_unmap(n * MIB, MIB)
    tclient.irq_disable(proto.MSIX)
    tclient.irq_disable(proto.INTX)
    assert testdev.fds() == before


def test_same_file_mapped_often(testdev, tclient, memfd):
    before = testdev.fds()
    ram = memfd(64 * MIB)
    for n in range(64):
        tclient.dma_map(n * MIB, MIB, ram, offset=n * MIB)
    for n in range(64):
        tclient.dma_unmap(n * MIB, MIB)
    assert testdev.fds() == before


def test_everything_at_once_then_gone(testdev, memfd, eventfds, keep):
    """A client with maps, eventfds, mapped regions and unread replies dies: the fixture counts what stays."""
    with QemuClient(testdev.path) as client:
        client.negotiate()
        for n in range(5):
            client.dma_map(n * MIB, MIB, memfd(MIB))
        client.irq_eventfds(proto.MSIX, eventfds(16))
        client.irq_eventfds(proto.INTX, eventfds(1))
        client.irq_eventfds(proto.INTX, eventfds(1), action=proto.ACTION_UNMASK)
        client.irq_eventfds(proto.ERR, eventfds(1))
        for index in range(6):
            _, fd = client.region_info(index)
            if fd is not None:
                keep(fd)
        for _ in range(20):
            client.submit(Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 256))
            client.submit(Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(4096, 0, 0, 0, 0, 0))
    testdev.wait_idle()


def test_more_fds_than_the_server_may_open(fresh_server, memfd, keep):
    """The server's own limit is hit by what the client passes: refused or ended, and fine afterwards."""
    server = fresh_server()
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (sum(server.baseline.values()) + 20, hard))
    fd = keep(os.memfd_create("many"))
    with QemuClient(server.path) as client:
        client.negotiate()
        try:
            for n in range(5):
                try:
                    client.call(Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, n * MIB, MIB), [fd] * 100)
                except WireError:
                    pass
        except (Closed, Timeout) as e:
            assert "reset" not in str(e)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    server.wait_idle()
    with QemuClient(server.path) as client:
        client.negotiate()
        client.dma_map(0, MIB, memfd(MIB))
    server.wait_idle()
