# SPDX-License-Identifier: MIT
"""A chart of areas on top of each other, as a PNG, with nothing but the standard library."""
import re
import struct
import zlib
from pathlib import Path

FONT = Path(__file__).resolve().parent.parent / 'tests' / 'guest' / 'programs' / 'font.c'
WIDTH, HEIGHT = 1100, 560
LEFT, TOP, RIGHT, BOTTOM = 90, 60, 330, 70  # margins
TEXT = 2  # pixels of a dot of a letter
WHITE, BLACK, GREY, LIGHT = (255, 255, 255), (30, 30, 30), (120, 120, 120), (225, 225, 225)
COLOURS = [(68, 119, 170), (102, 204, 238), (34, 136, 51), (204, 187, 68), (238, 102, 119), (170, 51, 119)]


def glyphs():
    """The dots of letters, by the test card's font: {letter: rows}."""
    found = {c: [int(row, 16) for row in rows.split(',')]
             for c, rows in re.findall(r"\{ '(.)', \{ ([^}]*) \} \}", FONT.read_text())}
    found['%'] = [0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03]
    found[','] = [0, 0, 0, 0, 0x0c, 0x04, 0x08]
    return found


class Picture:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(WHITE * width) for _ in range(height)]
        self.font = glyphs()

    def dot(self, x, y, colour):
        if 0 <= x < self.width and 0 <= y < self.height:
            self.rows[y][3 * x:3 * x + 3] = bytes(colour)

    def box(self, x, y, width, height, colour):
        for row in self.rows[max(y, 0):y + height]:
            row[3 * x:3 * (x + width)] = bytes(colour) * width

    def column(self, x, top, bottom, colour):
        """From a height to another, both fractions: what is at the edges is blended."""
        for y in range(int(top), int(bottom) + 1):
            part = min(bottom, y + 1) - max(top, y)
            if part > 0 and 0 <= y < self.height:
                old = self.rows[y][3 * x:3 * x + 3]
                self.rows[y][3 * x:3 * x + 3] = bytes(round(o + (c - o) * part) for o, c in zip(old, colour))

    def text(self, x, y, text, colour=BLACK, size=TEXT):
        for c in text:
            for row, dots in enumerate(self.font.get(c.upper(), self.font['-'])):
                for bit in range(5):
                    if dots >> (4 - bit) & 1:
                        self.box(x + bit * size, y + row * size, size, size, colour)
            x += 6 * size

    def save(self, path):
        def chunk(kind, data):
            return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

        packed = zlib.compress(b''.join(b'\0' + row for row in self.rows), 9)
        Path(path).write_bytes(b'\x89PNG\r\n\x1a\n' +
                               chunk(b'IHDR', struct.pack('>IIBBBBB', self.width, self.height, 8, 2, 0, 0, 0)) +
                               chunk(b'IDAT', packed) + chunk(b'IEND', b''))


def areas(path, title, times, series, labels, marks):
    """Writes a chart of parts of a whole.

    times   seconds, from 0 on
    series  for each label a list of parts (0 to 1), one for each time
    labels  what they are: (name, note)
    marks   (from second, heights): dashed lines at heights (0 to 1) from there on
    """
    picture = Picture(WIDTH, HEIGHT)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    end = times[-1] or 1

    def y_of(part):
        return TOP + height * (1 - part)

    picture.text(LEFT, 20, title, size=3)
    for percent in (0, 25, 50, 75, 100):
        y = round(y_of(percent / 100))
        picture.box(LEFT, y, width, 1, LIGHT)
        label = f'{percent} %'
        picture.text(LEFT - 10 - 12 * len(label), y - 6, label, GREY)
    step = next(s for s in (1, 2, 5, 10, 20, 60) if end / s <= 12)
    for second in range(0, int(end) + 1, step):
        x = LEFT + round(width * second / end)
        picture.box(x, TOP + height, 1, 6, GREY)
        picture.text(x - 6 * len(str(second)) + 1, TOP + height + 14, str(second), GREY)
    picture.text(LEFT + width // 2 - 90, HEIGHT - 26, 'time in seconds', GREY)
    for x in range(width):
        at = x / width * end
        i = max(k for k, t in enumerate(times) if t <= at)
        base = 0
        for k, values in enumerate(series):
            picture.column(LEFT + x, y_of(base + values[i]), y_of(base), COLOURS[k % len(COLOURS)])
            base += values[i]
    start, heights = marks
    for part in heights:
        for x in range(LEFT + round(width * start / end), LEFT + width):
            if x % 12 < 7:
                picture.column(x, y_of(part) - 1, y_of(part) + 1, BLACK)
    picture.box(LEFT - 1, TOP, 1, height, BLACK)
    picture.box(LEFT - 1, TOP + height, width + 1, 1, BLACK)
    x, y = WIDTH - RIGHT + 20, TOP
    for k, (name, note) in reversed(list(enumerate(labels))):
        picture.box(x, y, 22, 34, COLOURS[k % len(COLOURS)])
        picture.text(x + 34, y, name)
        picture.text(x + 34, y + 20, note, GREY)
        y += 58
    for dash in range(3):
        picture.box(x + dash * 12, y + 6, 7, 2, BLACK)
    picture.text(x + 46, y, 'as weights say')
    picture.save(path)
