# SPDX-License-Identifier: MIT
"""libvgpu-refgpu on the model of the hardware: what vGPUs are compared with."""
from conftest import CHECK, PATIENCE
import subprocess


def check(*arguments):
    done = subprocess.run([CHECK, 'model', *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0 and 'passed' in done.stdout, done.stdout + done.stderr


def test_commands():
    check('commands')


def test_two_models_agree():
    """Otherwise the property test of vGPUs would compare with chance."""
    check('property', '1', '30')
