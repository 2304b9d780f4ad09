# SPDX-License-Identifier: MIT
"""Compares screenshots with the test card that a guest said it shows."""

import subprocess

from . import paths


def compare(png, driver, frame, size=None):
    """Fails unless every pixel of `png` is the card's."""
    done = subprocess.run([paths.guest_program('cardcheck'), 'compare', png, driver, str(frame)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f'{png}: {done.stdout}{done.stderr}'
    assert size is None or done.stdout.startswith(f'{size}:'), done.stdout


def draw(png, width, height, driver, frame):
    subprocess.run([paths.guest_program('cardcheck'), 'draw', png, str(width), str(height), driver,
                    str(frame)], check=True, timeout=60)
