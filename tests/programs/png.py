# SPDX-License-Identifier: MIT
"""Reads the PNGs that we write: 8 bits, red, green, blue, not interlaced."""
import struct
import zlib


def _paeth(a, b, c):
    p = a + b - c
    da, db, dc = abs(p - a), abs(p - b), abs(p - c)
    if da <= db and da <= dc:
        return a
    return b if db <= dc else c


def _unfilter(kind, line, above):
    out = bytearray(line)
    for i, value in enumerate(line):
        left = out[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        add = (0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))[kind]
        out[i] = (value + add) & 0xff
    return out


def decode(data):
    """(width, height, bytes of red, green, blue)"""
    assert data[:8] == b'\x89PNG\r\n\x1a\n'
    at, packed, header = 8, b'', None
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert struct.unpack('>I', data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + body)
        if kind == b'IHDR':
            header = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            packed += body
        at += 12 + size
    width, height = header[:2]
    assert header[2:] == (8, 2, 0, 0, 0)
    raw = zlib.decompress(packed)
    above, pixels = bytearray(width * 3), b''
    for y in range(height):
        start = y * (width * 3 + 1)
        above = _unfilter(raw[start], raw[start + 1:start + 1 + width * 3], above)
        pixels += above
    return width, height, pixels
