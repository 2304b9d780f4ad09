# SPDX-License-Identifier: MIT
"""VFIO_USER_VERSION: the first message, and everything a client can get wrong in it."""
import errno
import json

import pytest

from vuser import proto
from vuser.channel import Closed
from vuser.client import Client, WireError
from vuser.profiles import QEMU_CAPS, QEMU_JSON, QEMU_VERSION_SIZE
from vuser.proto import Cmd


@pytest.fixture
def raw(bochs):
    """A connection that has said nothing yet."""
    with Client(bochs.path) as c:
        yield c


def doc(**caps):
    return json.dumps({"capabilities": caps}).encode() + b"\0"


def rejected(client, payload, errno_=errno.EINVAL, fds=()):
    """VERSION is answered with an error reply, then the server ends the connection: there is nothing to talk about."""
    with pytest.raises(WireError) as caught:
        client.call(Cmd.VERSION, payload, fds)
    assert caught.value.errno == errno_
    assert client.channel.expect_close() == []


def test_qemu_fits_its_own_buffer(raw):
    frame = raw.call(Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON, msg_id=0)
    assert proto.HEADER.size + len(frame.payload) <= QEMU_VERSION_SIZE
    assert proto.VERSION.unpack_from(frame.payload) == (0, 0)


def test_qemu_limits(raw):
    _, _, caps = raw.version(0, 0, data=QEMU_JSON)
    assert 1 <= caps.get("max_msg_fds", 1) <= 16
    # QEMU reads 4096 bytes of config space at once and allows at most 64 MiB.
    assert 4096 <= caps.get("max_data_xfer_size", 1 << 20) <= 64 << 20
    assert 1 <= caps.get("max_dma_maps", 65535) <= 65535
    assert caps.get("pgsizes", 4096) & 4096


def test_capabilities_are_a_subset_of_those_proposed(raw):
    _, _, caps = raw.version(0, 0, data=QEMU_JSON)
    assert set(caps) <= set(QEMU_CAPS)


def test_write_multiple_is_granted_to_who_asks(raw):
    _, _, caps = raw.version(0, 0, data=QEMU_JSON)
    assert caps.get("write_multiple") is True


@pytest.mark.parametrize("caps", [{}, {"write_multiple": False}])
def test_write_multiple_is_not_pressed_on_others(raw, caps):
    _, _, got = raw.version(0, 0, caps=caps)
    assert not got.get("write_multiple", False)


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 0xFFFF])
def test_minor_is_never_above_the_proposed(raw, minor):
    major, got, _ = raw.version(0, minor, caps={})
    assert major == 0 and got <= minor
    raw.get_info()


def test_minor_1_is_spoken(raw):
    assert raw.version(0, 1, caps={})[1] == 1


@pytest.mark.parametrize("major", [1, 2, 0xFFFF])
def test_other_major_is_refused_and_closed(raw, major):
    raw.submit(Cmd.VERSION, proto.VERSION.pack(major, 0) + QEMU_JSON, msg_id=9)
    frame, = raw.channel.expect_close()
    assert (frame.id, frame.cmd, frame.flags) == (9, Cmd.VERSION, proto.REPLY | proto.ERROR)
    assert frame.error == errno.EPROTONOSUPPORT


@pytest.mark.parametrize("data", [
    b"",
    b"{}\0",
    b'{"capabilities":{}}\0',
    b' { "capabilities" : { } } \0',
    b'{"other":[1,2,{"x":null}],"capabilities":{}}\0',
], ids=["none", "empty-object", "no-capability", "spaces", "unknown-key"])
def test_little_or_no_json_means_defaults(raw, data):
    assert raw.version(0, 0, data=data)[0] == 0
    assert len(raw.region_read(proto.CONFIG, 0, 64)) == 64


def test_unknown_capabilities_are_ignored(raw):
    data = doc(**QEMU_CAPS, future={"a": [1, 2.5, None, "\u00fc"]}, max_frobs=-1)
    _, _, caps = raw.version(0, 0, data=data)
    assert "future" not in caps and "max_frobs" not in caps


@pytest.mark.parametrize("data", [
    b"x\0",
    b"\0",
    b"{\0",
    b'{"capabilities":\0',
    b"[]\0",
    b"null\0",
    b"1\0",
    b'"capabilities"\0',
    b'{"capabilities":[]}\0',
    b'{"capabilities":"x"}\0',
    b'{"capabilities":{}}',
    b'{"capabilities":{}}\0{}\0',
    b'{"capabilities":{}}garbage\0',
    b'{"capabilities":{}}\0\0',
    b'{"capabil\0ities":{}}\0',
    b'{"capabilities":{"a":"\xff\xfe"}}\0',
], ids=lambda d: repr(d)[2:24])
def test_broken_json(raw, data):
    rejected(raw, proto.VERSION.pack(0, 0) + data)


@pytest.mark.parametrize("caps", [
    {"max_msg_fds": "16"}, {"max_msg_fds": -1}, {"max_msg_fds": 1.5}, {"max_msg_fds": None}, {"max_msg_fds": True},
    {"max_data_xfer_size": "x"}, {"max_data_xfer_size": -4096}, {"max_data_xfer_size": 0}, {"max_data_xfer_size": []},
    {"max_dma_maps": {}}, {"max_dma_maps": -1},
    {"pgsizes": "4096"}, {"pgsizes": 0},
    {"twin_socket": True}, {"twin_socket": {"supported": "yes"}},
    {"write_multiple": 1}, {"write_multiple": "true"},
], ids=json.dumps)
def test_capability_of_the_wrong_type_or_range(raw, caps):
    rejected(raw, proto.VERSION.pack(0, 0) + doc(**caps))


@pytest.mark.parametrize("value", [1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, 1 << 64, 10 ** 40, 1e300])
@pytest.mark.parametrize("key", ["max_msg_fds", "max_data_xfer_size", "max_dma_maps"])
def test_absurdly_large_limits_are_no_problem(raw, key, value):
    """A client that can take more than anyone will send: served or refused, never believed to the letter."""
    try:
        _, _, caps = raw.version(0, 0, caps={key: value})
    except WireError as e:
        assert e.errno == errno.EINVAL
    else:
        assert caps.get(key, 0) < 1 << 31
        raw.barrier()


@pytest.mark.parametrize("depth", [100, 10_000])
@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_json(raw, depth, opening, closing):
    inner = opening * depth + b"1" + closing * depth
    rejected(raw, proto.VERSION.pack(0, 0) + b'{"capabilities":{"x":' + inner + b"}}\0")


def test_huge_json(bochs):
    """A megabyte of JSON: an error reply or the end of the connection, not a megabyte parsed."""
    with Client(bochs.path) as c:
        data = b'{"capabilities":{"x":"' + b"y" * (1 << 20) + b'"}}\0'
        try:
            with pytest.raises(WireError) as caught:
                c.call(Cmd.VERSION, proto.VERSION.pack(0, 0) + data)
            assert caught.value.errno == errno.EINVAL
        except Closed as e:
            assert "reset" not in str(e)


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0"])
def test_too_short(raw, payload):
    rejected(raw, payload)


def test_fds_with_version(raw, eventfds):
    rejected(raw, proto.VERSION.pack(0, 0) + QEMU_JSON, fds=eventfds(2))


def test_second_version_is_an_error(client, refused):
    refused(client, errno.EINVAL, Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON)


@pytest.mark.parametrize("cmd, payload", [
    (Cmd.DEVICE_GET_INFO, proto.DEVICE_INFO.pack(16, 0, 0, 0)),
    (Cmd.REGION_READ, proto.REGION_ACCESS.pack(0, proto.CONFIG, 4)),
    (Cmd.DEVICE_RESET, b""),
    (Cmd.DMA_MAP, proto.DMA_MAP.pack(32, 3, 0, 0, 4096)),
])
def test_nothing_works_before_version(raw, cmd, payload):
    """And the connection still waits for it."""
    with pytest.raises(WireError) as caught:
        raw.call(cmd, payload)
    assert caught.value.errno == errno.EINVAL
    raw.version(0, 0, data=QEMU_JSON)


def test_posted_before_version_does_nothing(raw):
    raw.region_post(proto.CONFIG, 0x3C, b"\x07")
    raw.version(0, 0, data=QEMU_JSON)
    assert raw.read(proto.CONFIG, 0x3C, 1) == 0


def test_posted_version_gets_no_reply(raw):
    """Odd, but what was asked for: the client goes by the defaults then."""
    raw.post(Cmd.VERSION, proto.VERSION.pack(0, 0) + QEMU_JSON)
    raw.barrier()


def test_posted_version_that_is_refused(raw):
    raw.post(Cmd.VERSION, proto.VERSION.pack(0, 0) + b"x\0")
    assert raw.channel.expect_close() == []


@pytest.mark.parametrize("caps", [{}, {"twin_socket": {}}, {"twin_socket": {"supported": False}}])
def test_no_twin_socket_unless_asked(raw, caps):
    _, _, got = raw.version(0, 0, caps=caps)
    assert not got.get("twin_socket", {}).get("supported", False)
    assert raw.twin is None


def test_twin_socket_for_who_asks(raw):
    _, _, caps = raw.version(0, 1, caps={"twin_socket": {"supported": True}, "max_msg_fds": 8})
    assert caps["twin_socket"]["supported"] is True and raw.twin is not None
    # The main socket serves the client's commands as before.
    raw.get_info()
    raw.twin.expect_silence()


def test_twin_socket_leaves_with_the_client(bochs):
    for _ in range(3):
        with Client(bochs.path) as c:
            c.version(0, 1, caps={"twin_socket": {"supported": True}})
            assert c.twin
        bochs.wait_idle()


def test_closing_only_the_twin_socket(raw):
    raw.version(0, 1, caps={"twin_socket": {"supported": True}})
    raw.twin.close()
    raw.twin = None
    raw.barrier()


def test_small_max_data_xfer_size_of_the_client(raw):
    """libvfio-user's client takes 1024 bytes: legal, and no reason to refuse."""
    raw.version(0, 0, caps={"max_data_xfer_size": 1024})
    assert len(raw.region_read(proto.CONFIG, 0, 256)) == 256
