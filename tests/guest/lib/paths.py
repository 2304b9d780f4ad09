# SPDX-License-Identifier: MIT
"""Where things are: the source tree, a build of it, and the lab."""

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
LAB = TOP / 'build' / 'lab'
# The build under test. Guest programs always come from the release build: they
# run in the guest, where no sanitizer is.
BUILD = TOP / os.environ.get('VGPU_BUILD', 'build/release')
GUEST_PROGRAMS = TOP / os.environ.get('VGPU_GUEST_BUILD', 'build/release') / 'tests' / 'guest'


class Missing(Exception):
    """Something that has to be built or fetched first."""


def need(path, how):
    if not path.exists():
        raise Missing(f'{path} is not there; {how} makes it')
    return path


def program(name):
    """A program of the build under test."""
    found = sorted(BUILD.glob(f'programs/{name}/{name}')) + sorted(BUILD.glob(f'programs/{name}'))
    found = [p for p in found if p.is_file()]
    return found[0] if found else need(BUILD / 'programs' / name, 'make')


def guest_program(name):
    return need(GUEST_PROGRAMS / name, 'make')


def guest_build(name):
    """A file of the build whose programs run in guests, `name` being its path there."""
    return need(GUEST_PROGRAMS.parent.parent / name, 'make')


def qemu():
    return need(LAB / 'qemu', 'scripts/lab')


def kernels():
    """Releases of the lab's kernels, oldest first: ['6.1', '6.12', ...]."""
    need(LAB / 'complete', 'scripts/lab')
    return sorted((p.name for p in (LAB / 'kernels').iterdir()),
                  key=lambda release: [int(n) for n in release.split('.')])


def kernel(release):
    """The folder of a kernel: '6.1'; 'newest', whatever backports have by now; 'iommufd', somebody's own."""
    if release == 'iommufd':
        return need(Path(os.environ.get('VGPU_IOMMUFD_KERNEL', '/nowhere')), 'VGPU_IOMMUFD_KERNEL')
    return need(LAB / 'kernels' / (kernels()[-1] if release == 'newest' else release), 'scripts/lab')


def driver(name):
    """The loadable module of a driver of the build under test."""
    found = sorted(p for p in (BUILD / 'drivers').rglob(f'*{name}*.so') if p.is_file())
    return found[0] if found else need(BUILD / 'drivers' / name, 'make')
