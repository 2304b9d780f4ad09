# SPDX-License-Identifier: MIT
"""Waiting for what a test is about, instead of for a time that should be enough."""
import os
import time

# When a test gives up. What passes is there long before.
PATIENCE = 240 if 'san' in os.environ.get('VGPU_BUILD', '') else 60


def eventually(what, *why, seconds=PATIENCE):
    """Waits until what() is true, and returns that; fails with `why` if it never is (functions are called for it)."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, ('it never became true', *(w() if callable(w) else w for w in why))
        time.sleep(0.005)
    return value
