# SPDX-License-Identifier: MIT
"""io.vgpud.Device on the control socket of vgpu-device."""
import base64
import mmap
import os
import socket

import png
import pytest
from conftest import IO, PATIENCE, TOP, Device, Screen, eventually
from varlink import Client, VarlinkError


def test_it_describes_itself(device):
    with Client(device.control) as client:
        info = client.call('org.varlink.service.GetInfo')
        assert info['product'] == 'vgpu-device'
        assert info['interfaces'] == ['org.varlink.service', 'io.vgpud.Device']
        for name in info['interfaces']:
            text = client.call('org.varlink.service.GetInterfaceDescription', interface=name)['description']
            assert text == (TOP / 'src' / 'control' / f'{name}.varlink').read_text(encoding='utf-8')


def test_info_follows_the_client(device):
    info = device.call('GetInfo')
    assert info['type'] == 'bochs-16m' and info['state'] == 'listening' and info['client'] is None
    assert info['pid'] == device.process.pid and info['socket'] == str(device.socket)
    assert info['driver']['name'] == 'bochs' and info['driver']['path'].endswith('.so')
    client = device.attach()
    info = device.call('GetInfo')
    assert info['state'] == 'attached'
    assert info['client'] == {'pid': os.getpid(), 'uid': os.getuid()}
    assert info['memory'] == 'unknown' and info['msix'] is False
    client.close()
    eventually(lambda: device.call('GetInfo')['state'] == 'listening')


def test_stats_count(device):
    assert device.call('Stats')['requests'] == {}
    client = device.attach()
    for _ in range(3):
        client.region_read(7, 0, 4)
    client.region_write(7, 4, bytes(2))
    client.reset()
    with pytest.raises(Exception):
        client.region_read(99, 0, 4)
    stats = device.call('Stats')
    assert stats['requests'] == {'version': 1, 'region_read': 4, 'region_write': 1, 'reset': 1}
    assert stats['errors'] == {'region_read': 1}
    assert stats['read_bytes'] == 12 and stats['write_bytes'] == 2
    assert stats['resets']['client'] == 1 and stats['resets']['new_client'] == 0
    assert stats['clients'] == 1 and stats['refused'] == 0
    assert stats['rx_bytes'] > 0 and stats['tx_bytes'] > 0
    client.close()
    device.attach().close()
    stats = device.call('Stats')
    assert stats['clients'] == 2 and stats['resets']['new_client'] == 1


@pytest.mark.parametrize('shared', [True, False])
def test_how_the_clients_memory_is_set_up(device, shared):
    size = 1 << 20
    file = os.memfd_create('guest memory')
    os.truncate(file, size)
    memory = mmap.mmap(file, size, flags=mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE)
    client = device.attach()
    client.dma_map(0, size, file)
    client.dma_map(size, 0x2000)
    assert device.call('GetInfo')['memory'] == ('shared' if shared else 'private')
    dma = device.call('Stats')['dma']
    assert (dma['maps'], dma['remote_maps'], dma['mapped'], dma['pinned']) == (2, 1, size + 0x2000, 0)
    client.close()
    eventually(lambda: device.call('Stats')['dma']['maps'] == 0)
    memory.close()
    os.close(file)


def test_no_picture_before_the_guest_shows_one(device):
    with pytest.raises(VarlinkError) as e:
        device.call('Screenshot')
    assert e.value.error == IO + 'NoDisplay' and 'mode' in e.value.parameters['message']
    assert device.call('GetDisplay')['planes'] == []


def test_a_screenshot_is_what_was_drawn(device):
    with Screen(device, 320, 200) as screen:
        seen = screen.draw()
        shot = device.call('Screenshot')
        assert (shot['width'], shot['height']) == (320, 200)
        assert png.decode(base64.b64decode(shot['png'], validate=True)) == (320, 200, seen)
        for plane in (-1, 4, 1 << 40):
            with pytest.raises(VarlinkError) as e:
                device.call('Screenshot', plane=plane)
            assert e.value.parameters == {'parameter': 'plane'}
        with pytest.raises(VarlinkError) as e:
            device.call('Screenshot', plane=1)
        assert e.value.error == IO + 'NoDisplay'


def test_the_display_can_be_read_and_not_written(device):
    with Screen(device, 320, 200) as screen:
        seen = screen.draw()
        with Client(device.control) as client:
            display = client.call(IO + 'GetDisplay')
            fds = client.fds
        plane, = display['planes']
        assert plane['format'] == 'XR24' and (plane['width'], plane['height']) == (320, 200)
        pixels = fds[next(f['fd'] for f in display['files'] if f['region'] == plane['region'])]
        with mmap.mmap(pixels, plane['offset'] + plane['stride'] * 200, prot=mmap.PROT_READ) as memory:
            assert memory[plane['offset']:plane['offset'] + 3] == seen[2::-1]
        assert sorted([display['description'], *(f['fd'] for f in display['files'])]) == list(range(len(fds)))
        for fd in fds:
            with pytest.raises(OSError):
                os.write(fd, b'x')
            with pytest.raises((OSError, PermissionError)):
                mmap.mmap(fd, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            with pytest.raises(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)


def test_a_new_client_starts_with_a_dark_screen(device):
    with Screen(device, 320, 200):
        before = device.call('GetDisplay')
        assert len(before['planes']) == 1
    eventually(lambda: device.call('GetInfo')['state'] == 'listening')
    client = device.attach()
    after = device.call('GetDisplay')
    assert after['planes'] == [] and after['generation'] > before['generation']
    client.close()


def test_many_screenshots_at_once_are_all_answered(device):
    with Screen(device, 640, 480):
        clients = [Client(device.control) for _ in range(20)]
        for client in clients:
            client.send({'method': IO + 'Screenshot'})
        replies = [client.receive() for client in clients]
        for client in clients:
            client.close()
        names = {reply.get('error', 'ok') for reply in replies}
        assert 'ok' in names and names <= {'ok', IO + 'Busy'}


def test_leaving_in_the_middle_of_a_screenshot_and_ending(tmp_path):
    with Device(tmp_path) as device, Screen(device, 1024, 768):
        for _ in range(4):
            client = Client(device.control)
            client.send({'method': IO + 'Screenshot'})
            client.close()
        waiting = Client(device.control)
        waiting.send({'method': IO + 'Screenshot'})
        assert device.end() == 0


def test_the_log_level_can_be_changed(device):
    device.attach().close()
    assert ' debug ' not in device.log()
    assert device.call('SetLogLevel', level='debug') == {}
    device.attach().close()
    eventually(lambda: ' debug ' in device.log())
    with pytest.raises(VarlinkError) as e:
        device.call('SetLogLevel', level='loud')
    assert e.value.parameters == {'parameter': 'level'}


def test_the_limits_of_pinned_memory_can_be_changed(device):
    with device.attach():
        assert device.call('SetPinnedLimit', instance=1 << 20, user=2 << 20) == {}
        dma = device.call('Stats')['dma']
        assert (dma['pinned_limit'], dma['user_pinned_limit'], dma['user_pinned']) == (1 << 20, 2 << 20, 0)
        assert device.call('SetPinnedLimit', user=0) == {}
        dma = device.call('Stats')['dma']
        assert (dma['pinned_limit'], dma['user_pinned_limit']) == (1 << 20, 0)
    for name in ('instance', 'user'):
        with pytest.raises(VarlinkError) as e:
            device.call('SetPinnedLimit', **{name: -1})
        assert e.value.parameters == {'parameter': name}


def raw(device, data):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(device.control))
    s.settimeout(PATIENCE)
    s.sendall(data)
    return s


def test_nonsense_ends_that_connection_alone(device):
    bombs = [b'\0', b'hello\0', b'[' * 30000 + b'\0', b'{"method":"x"' * 3000 + b'\0', b'\xff\xfe\0',
             b'{"method":"io.vgpud.Device.GetInfo","parameters":{"a":"\\u0000"}}\0']
    for bomb in bombs:
        with raw(device, bomb) as s:
            assert s.recv(100) == b'', bomb[:20]
    assert device.call('GetInfo')['state'] == 'listening'
    assert device.log().count('closed the connection of pid') >= 1


def test_crowds_and_silent_readers_hold_nobody_up(device):
    crowd = [raw(device, b'') for _ in range(150)]
    silent = [raw(device, b'{"method":"io.vgpud.Device.GetInfo"}\0' * 1000) for _ in range(5)]
    client = device.attach()
    for _ in range(50):
        client.region_read(7, 0, 4)
    assert device.call('GetInfo')['state'] == 'attached'
    client.close()
    for s in crowd + silent:
        s.close()
    assert device.call('Stats')['clients'] == 1
