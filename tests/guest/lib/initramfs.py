# SPDX-License-Identifier: MIT
"""Builds an initramfs: busybox, kernel modules in load order, and files.

Modules' dependencies are read from the modules themselves, so neither depmod
nor root nor the kernel's own tools are needed.
"""

import gzip
import lzma
import re
import stat
import subprocess

from . import paths

OPENERS = {'.xz': lzma.open, '.gz': gzip.open, '.ko': open}


def _module_name(text):
    return text.replace('-', '_')


class Modules:
    """The modules of one kernel."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {_module_name(p.name.partition('.ko')[0]): p
                      for p in folder.glob('kernel/**/*.ko*')}
        builtin = (folder / 'modules.builtin').read_text().split()
        self.builtin = {_module_name(line.rpartition('/')[2][:-3]) for line in builtin}

    def with_dependencies(self, wanted):
        """{name: content} of `wanted` and all they depend on, in load order."""
        ordered = {}

        def add(name, needed_by):
            if name in ordered or name in self.builtin:
                return
            if name not in self.files:
                raise paths.Missing(f'no module {name} (for {needed_by}) in {self.folder}')
            path = self.files[name]
            with OPENERS[path.suffix](path, 'rb') as file:
                content = file.read()
            for line in re.findall(rb'\0depends=([^\0]*)\0', content):
                for dependency in filter(None, line.decode().split(',')):
                    add(_module_name(dependency), name)
            ordered[name] = content

        for name in wanted:
            add(_module_name(name), 'this guest')
        return ordered


class Archive:
    """A cpio archive in the "newc" format that Linux unpacks as its root."""

    def __init__(self):
        self.parts = []
        self.seen = set()

    def _entry(self, name, mode, content=b''):
        encoded = name.encode() + b'\0'
        links = 2 if stat.S_ISDIR(mode) else 1
        # Inode, mode, uid, gid, links, time, size, four device numbers, length
        # of the name, checksum.
        fields = (len(self.parts) + 1, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0,
                  len(encoded), 0)
        head = b'070701' + b''.join(b'%08X' % f for f in fields) + encoded
        for part in (head, content):
            self.parts.append(part + bytes(-len(part) % 4))

    def folder(self, name):
        if name and name not in self.seen:
            self.folder(name.rpartition('/')[0])
            self.seen.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o755):
        self.folder(name.rpartition('/')[0])
        self._entry(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.folder(name.rpartition('/')[0])
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        self._entry('TRAILER!!!', 0)
        return b''.join(self.parts)


def libraries(program):
    """{path in the guest: path here} of the shared libraries that a program loads."""
    said = subprocess.run(['ldd', program], capture_output=True, text=True, timeout=60, check=True).stdout
    found = {f'lib/{name}': paths.Path(path)
             for name, path in re.findall(r'^\t(\S+) => (/\S+)', said, re.M)}
    for path in re.findall(r'^\t(/\S+) \(', said, re.M):  # the loader, whose path is in the program
        found[path.lstrip('/')] = paths.Path(path)
    return found


def build(to, release, modules=(), programs=(), dynamic=()):
    """Writes an initramfs for kernel `release` to `to`.

    modules: names; loaded at boot in this order, dependencies first
    programs: paths; each lands in /bin under its own name
    dynamic: likewise, with the libraries they load in /lib; what is a library
             itself (*.so) goes there
    """
    archive = Archive()
    for name in ('dev', 'proc', 'sys', 'tmp', 'modules'):
        archive.folder(name)
    archive.file('bin/busybox', (paths.LAB / 'busybox').read_bytes())
    archive.link('bin/sh', 'busybox')
    archive.file('init', (paths.Path(__file__).parent / 'init.sh').read_bytes())
    order = Modules(paths.kernel(release) / 'modules').with_dependencies(modules)
    for name, content in order.items():
        archive.file(f'modules/{name}.ko', content, 0o644)
    archive.file('modules/order', ''.join(f'{name}\n' for name in order).encode(), 0o644)
    for program in programs:
        archive.file(f'bin/{program.name}', program.read_bytes())
    needed = {}
    for program in dynamic:
        place = 'lib' if program.suffix == '.so' else 'bin'
        archive.file(f'{place}/{program.name}', program.read_bytes())
        needed |= libraries(program)
    for name, path in needed.items():
        archive.file(name, path.read_bytes())
    to.write_bytes(archive.bytes())
    return to
