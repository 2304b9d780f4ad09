# SPDX-License-Identifier: MIT
"""A vfio-user client: one method per command, each checking the reply's whole form."""
import collections
import json
import os
import socket

from . import proto
from .channel import Channel, PATIENCE
from .proto import Cmd, ProtocolError


class WireError(Exception):
    """The server answered with an error reply."""

    def __init__(self, errno_, cmd):
        super().__init__(f"{Cmd(cmd).name if cmd in list(Cmd) else cmd}: {os.strerror(errno_)} ({errno_})")
        self.errno = errno_


class Client:
    """A connection with message ids, request/reply matching and a queue of what the server asks.

    Replies are matched by id, direction and command. Commands from the server
    land in `commands` (or go to `on_command`, which must return a reply
    payload or an errno).
    """

    def __init__(self, path=None, channel=None):
        self.channel = channel or Channel.connect(path)
        self.twin = None
        self.next_id = 1
        self.replies = {}
        self.commands = collections.deque()
        self.on_command = None
        self.posted_ids = set()
        self.caps = {}
        self.minor = None
        self.max_msg_fds = 1

    def close(self):
        for frame in [*self.commands, *self.replies.values()]:
            _close_fds(frame.fds)
        if self.twin:
            self.twin.close()
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- messages -------------------------------------------------------------

    def new_id(self):
        self.next_id = self.next_id % 0xFFFF + 1
        return self.next_id

    def post(self, cmd, payload=b"", fds=()):
        """Send a command that asks for no reply."""
        msg_id = self.new_id()
        self.posted_ids.add(msg_id)
        self.channel.send(proto.message(msg_id, cmd, payload, proto.NO_REPLY), fds)
        return msg_id

    def submit(self, cmd, payload=b"", fds=(), msg_id=None):
        """Send a command, return its id for wait()."""
        msg_id = self.new_id() if msg_id is None else msg_id
        self.posted_ids.discard(msg_id)
        self.channel.send(proto.message(msg_id, cmd, payload), fds)
        return msg_id

    def wait(self, msg_id, cmd, timeout=PATIENCE):
        """The reply to msg_id, an error reply as WireError. Caller owns its fds."""
        while msg_id not in self.replies:
            self._sort(self.channel.recv(timeout))
        frame = self.replies.pop(msg_id)
        if frame.cmd != cmd:
            raise ProtocolError(f"reply {msg_id} to command {cmd} names command {frame.cmd}")
        if frame.is_error:
            _close_fds(frame.fds)
            if frame.payload:
                raise ProtocolError(f"error reply carries {len(frame.payload)} bytes: only the header is allowed")
            if frame.fds:
                raise ProtocolError("error reply carries fds")
            raise WireError(frame.error, cmd)
        if frame.error:
            raise ProtocolError(f"errno {frame.error} without the error flag")
        return frame

    def _sort(self, frame):
        if frame.is_reply:
            if frame.flags & proto.NO_REPLY:
                raise ProtocolError("reply with the No_reply flag")
            if frame.id in self.posted_ids:
                raise ProtocolError(f"reply to the posted command {frame.id}")
            if frame.id in self.replies:
                raise ProtocolError(f"two replies to {frame.id}")
            self.replies[frame.id] = frame
        elif self.on_command:
            self._serve(self.channel, frame)
        else:
            self.commands.append(frame)

    def _serve(self, channel, frame):
        answer = self.on_command(frame)
        if isinstance(answer, int):
            channel.send(proto.message(frame.id, frame.cmd, b"", proto.REPLY | proto.ERROR, answer))
        else:
            channel.send(proto.message(frame.id, frame.cmd, answer, proto.REPLY))

    def call(self, cmd, payload=b"", fds=(), msg_id=None, timeout=PATIENCE):
        """Send a command and return its successful reply frame, which may carry no fds."""
        frame = self.call_fds(cmd, payload, fds, msg_id, timeout)
        if frame.fds:
            _close_fds(frame.fds)
            raise ProtocolError(f"unexpected fds with the reply to {Cmd(cmd).name}")
        return frame

    def call_fds(self, cmd, payload=b"", fds=(), msg_id=None, timeout=PATIENCE):
        return self.wait(self.submit(cmd, payload, fds, msg_id), cmd, timeout)

    def next_command(self, timeout=PATIENCE, channel=None):
        """The next command that the server sends, on the twin socket where there is one."""
        if channel is None:
            channel = self.twin or self.channel
        if channel is self.channel:
            while not self.commands:
                self._sort(channel.recv(timeout))
            return self.commands.popleft()
        frame = channel.recv(timeout)
        if frame.is_reply:
            raise ProtocolError("a reply on the twin socket")
        return frame

    def answer(self, frame, payload=b"", error=0, channel=None):
        channel = channel or self.twin or self.channel
        flags = proto.REPLY | (proto.ERROR if error else 0)
        channel.send(proto.message(frame.id, frame.cmd, payload, flags, error))

    # -- commands -------------------------------------------------------------

    def version(self, major=0, minor=0, caps=None, data=None, msg_id=None):
        """Negotiate; returns (major, minor, capabilities). data overrides the JSON bytes as sent."""
        if data is None:
            data = b"" if caps is None else json.dumps({"capabilities": caps}).encode() + b"\0"
        frame = self.call_fds(Cmd.VERSION, proto.VERSION.pack(major, minor) + data, msg_id=msg_id)
        fds, frame.fds = frame.fds, []
        try:
            got_major, got_minor = proto.VERSION.unpack_from(frame.payload)
            text = frame.payload[proto.VERSION.size:]
            if not text and not data:
                # Who proposes no capability is offered none.
                text = b'{"capabilities":{}}\0'
            if not text.endswith(b"\0") or b"\0" in text[:-1]:
                raise ProtocolError(f"version JSON must end in its only NUL: {text!r}")
            doc = json.loads(text[:-1])
            if not isinstance(doc, dict) or not isinstance(doc.get("capabilities"), dict):
                raise ProtocolError(f"version JSON without capabilities: {text!r}")
            self.caps, self.minor = doc["capabilities"], got_minor
            self.max_msg_fds = self.caps.get("max_msg_fds", 1)
            twin = self.caps.get("twin_socket", {})
            if twin.get("supported"):
                self.twin = Channel(_socket_of(fds.pop(twin["fd_index"])))
            if fds:
                raise ProtocolError("fds in the version reply that no capability names")
        finally:
            _close_fds(fds)
        return got_major, got_minor, self.caps

    def dma_map(self, address, size, fd=None, offset=0, flags=proto.DMA_RW, argsz=proto.DMA_MAP.size):
        frame = self.call(Cmd.DMA_MAP, proto.DMA_MAP.pack(argsz, flags, offset, address, size),
                          () if fd is None else (fd,))
        _expect_payload(frame, b"")

    def dma_unmap(self, address, size, argsz=proto.DMA_UNMAP.size, flags=0):
        request = proto.DMA_UNMAP.pack(argsz, flags, address, size)
        frame = self.call(Cmd.DMA_UNMAP, request)
        _expect_payload(frame, request)

    def get_info(self, argsz=proto.DEVICE_INFO.size, flags=0, regions=0, irqs=0):
        """(argsz, flags, num_regions, num_irqs)"""
        frame = self.call(Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(argsz, flags, regions, irqs))
        if len(frame.payload) != proto.DEVICE_INFO.size:
            raise ProtocolError(f"device info of {len(frame.payload)} bytes")
        return proto.DEVICE_INFO.unpack(frame.payload)

    def region_info_raw(self, index, argsz=proto.REGION_INFO.size, msg_id=None):
        """(RegionInfo, fds) of one request, no retry. Caller owns the fds."""
        frame = self.call_fds(Cmd.DEVICE_GET_REGION_INFO, proto.REGION_INFO.pack(argsz, 0, index, 0, 0, 0), msg_id=msg_id)
        try:
            info = proto.parse_region_info(frame.payload)
            if len(frame.payload) > max(argsz, proto.REGION_INFO.size):
                raise ProtocolError(f"{len(frame.payload)} bytes where argsz allows {argsz}")
            if info.index != index:
                raise ProtocolError(f"asked for region {index}, told of {info.index}")
        except BaseException:
            _close_fds(frame.fds)
            raise
        return info, frame.fds

    def region_info(self, index, msg_id=None):
        """(RegionInfo, fd or None) as real clients ask: again with the argsz that the first reply named."""
        info, fds = self.region_info_raw(index, msg_id=msg_id)
        if info.argsz > proto.REGION_INFO.size:
            _close_fds(fds)
            info, fds = self.region_info_raw(index, info.argsz, msg_id=msg_id)
        if len(fds) != (1 if info.mappable else 0):
            _close_fds(fds)
            raise ProtocolError(f"{len(fds)} fds for region {index} with flags {info.flags:#x}")
        return info, (fds[0] if fds else None)

    def region_io_fds(self, index, argsz=proto.IO_FDS.size, flags=0, count=0):
        """(argsz, flags, index, count, entries, fds). Caller owns the fds."""
        frame = self.call_fds(Cmd.DEVICE_GET_REGION_IO_FDS, proto.IO_FDS.pack(argsz, flags, index, count))
        head = proto.IO_FDS.unpack_from(frame.payload)
        body = frame.payload[proto.IO_FDS.size:]
        if len(body) % proto.IO_FD_ENTRY.size:
            raise ProtocolError(f"region io fds: {len(body)} bytes of entries")
        return *head, list(proto.IO_FD_ENTRY.iter_unpack(body)), frame.fds

    def irq_info(self, index, argsz=proto.IRQ_INFO.size):
        """(flags, count)"""
        frame = self.call(Cmd.DEVICE_GET_IRQ_INFO, proto.IRQ_INFO.pack(argsz, 0, index, 0))
        got_argsz, flags, got_index, count = proto.IRQ_INFO.unpack(frame.payload)
        if got_index != index or got_argsz != proto.IRQ_INFO.size:
            raise ProtocolError(f"irq info of {index} says index {got_index} argsz {got_argsz}")
        return flags, count

    def set_irqs(self, flags, index, start=0, count=1, fds=(), bools=b"", argsz=None):
        argsz = proto.IRQ_SET.size + len(bools) if argsz is None else argsz
        frame = self.call(Cmd.DEVICE_SET_IRQS, proto.IRQ_SET.pack(argsz, flags, index, start, count) + bools, fds)
        _expect_payload(frame, b"")

    def irq_eventfds(self, index, fds, start=0, action=proto.ACTION_TRIGGER):
        self.set_irqs(proto.DATA_EVENTFD | action, index, start, len(fds), fds)

    def irq_deassign(self, index, start, count, action=proto.ACTION_TRIGGER):
        """EVENTFD with no fds de-assigns what was configured."""
        self.set_irqs(proto.DATA_EVENTFD | action, index, start, count)

    def irq_disable(self, index):
        self.set_irqs(proto.DATA_NONE | proto.ACTION_TRIGGER, index, 0, 0)

    def irq_action(self, action, index, start=0, count=1):
        self.set_irqs(proto.DATA_NONE | action, index, start, count)

    def irq_action_bools(self, action, index, start, values):
        self.set_irqs(proto.DATA_BOOL | action, index, start, len(values), bools=bytes(values))

    def region_read(self, region, offset, count, timeout=PATIENCE):
        frame = self.call(Cmd.REGION_READ, proto.REGION_ACCESS.pack(offset, region, count), timeout=timeout)
        return check_read_reply(frame.payload, region, offset, count)

    def region_write(self, region, offset, data, timeout=PATIENCE):
        frame = self.call(Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(offset, region, len(data)) + data, timeout=timeout)
        _expect_payload(frame, proto.REGION_ACCESS.pack(offset, region, len(data)))

    def region_post(self, region, offset, data):
        """A posted write: no reply will come."""
        return self.post(Cmd.REGION_WRITE, proto.REGION_ACCESS.pack(offset, region, len(data)) + data)

    def write_multi(self, writes):
        """writes: (region, offset, data of 1..8 bytes); returns the number that the server completed."""
        frame = self.call(Cmd.REGION_WRITE_MULTI, write_multi_payload(writes))
        if len(frame.payload) != proto.WRITE_MULTI.size:
            raise ProtocolError(f"WRITE_MULTI reply of {len(frame.payload)} bytes")
        return proto.WRITE_MULTI.unpack(frame.payload)[0]

    def post_multi(self, writes):
        return self.post(Cmd.REGION_WRITE_MULTI, write_multi_payload(writes))

    def reset(self, timeout=PATIENCE):
        _expect_payload(self.call(Cmd.DEVICE_RESET, timeout=timeout), b"")

    def feature(self, flags, data=b"", argsz=None):
        """DEVICE_FEATURE; returns (argsz, flags, data) of the reply."""
        argsz = proto.FEATURE.size + len(data) if argsz is None else argsz
        frame = self.call(Cmd.DEVICE_FEATURE, proto.FEATURE.pack(argsz, flags) + data)
        return *proto.FEATURE.unpack_from(frame.payload), frame.payload[proto.FEATURE.size:]

    def mig_data_read(self, size, argsz=None):
        argsz = proto.MIG_DATA.size + size if argsz is None else argsz
        frame = self.call(Cmd.MIG_DATA_READ, proto.MIG_DATA.pack(argsz, size))
        got_argsz, got = proto.MIG_DATA.unpack_from(frame.payload)
        data = frame.payload[proto.MIG_DATA.size:]
        if got != len(data) or got_argsz != len(frame.payload) or got > size:
            raise ProtocolError(f"migration data: size {got}, argsz {got_argsz}, {len(data)} bytes")
        return data

    def mig_data_write(self, data, argsz=None):
        argsz = proto.MIG_DATA.size if argsz is None else argsz
        _expect_payload(self.call(Cmd.MIG_DATA_WRITE, proto.MIG_DATA.pack(argsz, len(data)) + data), b"")

    # -- short forms ----------------------------------------------------------

    def read(self, region, offset, size):
        """An access of 1, 2, 4 or 8 bytes as a number."""
        return int.from_bytes(self.region_read(region, offset, size), "little")

    def write(self, region, offset, size, value):
        self.region_write(region, offset, value.to_bytes(size, "little"))

    def barrier(self):
        """Everything sent before has been processed once this returns (the server works in order)."""
        self.region_read(proto.CONFIG, 0, 4)


def write_multi_payload(writes, count=None):
    """wr_cnt and the entries; count overrides the truthful wr_cnt."""
    body = b"".join(proto.WRITE_MULTI_ENTRY.pack(offset, region, len(data), data.ljust(8, b"\0"))
                    for region, offset, data in writes)
    return proto.WRITE_MULTI.pack(len(writes) if count is None else count) + body


def check_read_reply(payload, region, offset, count):
    if len(payload) != proto.REGION_ACCESS.size + count:
        raise ProtocolError(f"reply to a read of {count} bytes is {len(payload)} long")
    if proto.REGION_ACCESS.unpack_from(payload) != (offset, region, count):
        raise ProtocolError("reply to a read names another access")
    return payload[proto.REGION_ACCESS.size:]


def _expect_payload(frame, want):
    if frame.payload != want:
        raise ProtocolError(f"reply to {Cmd(frame.cmd).name}: {frame.payload.hex()} instead of {want.hex()}")


def _socket_of(fd):
    sock = socket.socket(fileno=fd)
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        raise ProtocolError("the twin socket is no UNIX stream socket")
    return sock


def _close_fds(fds):
    while fds:
        os.close(fds.pop())
