# SPDX-License-Identifier: MIT
"""Manual pages: they know all options and keys, are clean, and point to pages that there are."""
import re
import shutil

import pytest
from conftest import BUILD, TOP, run

PROGRAMS = {'vgpu-demo': '1', 'vgpu-device': '1', 'vgpu-parent': '1', 'vgpu-tree': '1', 'vgpud': '8', 'vgpuctl': '1'}
CONFIG = TOP / 'programs' / 'vgpud'


def pages():
    folders = (BUILD / 'man', TOP / 'man')  # made from a program's table; written
    return {p.name: p for folder in folders for p in folder.iterdir() if re.fullmatch(r'.+\.\d', p.name)}


def text_of(page):
    return re.sub(r'\\f[BIR]', ' ', pages()[page].read_text(encoding='utf-8').replace(r'\-', '-'))


def options_of(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text))


@pytest.mark.parametrize('program', PROGRAMS)
def test_all_options_are_in_the_manual(program):
    path = BUILD / 'programs' / program / program
    if not path.exists():
        pytest.skip('it was not built')
    helped = options_of(run(path, '--help').stdout)
    # Of others, in examples.
    helped -= {'vgpu-device': {'--device'}, 'vgpu-parent': {'--parent-socket', '--type'}, 'vgpud': {'--label'},
               'vgpuctl': {'--label'}, 'vgpu-demo': {'--socket-path'}}.get(program, set())
    assert helped and helped <= options_of(text_of(f'{program}.{PROGRAMS[program]}'))


@pytest.mark.parametrize('program', PROGRAMS)
@pytest.mark.parametrize('shell', ['', '_'])
def test_all_options_are_completed(program, shell):
    path = BUILD / 'programs' / program / program
    if not path.exists():
        pytest.skip('it was not built')
    helped = set(re.findall(r'^  (?:-\w, |    )(--[a-z-]+)', run(path, '--help').stdout, re.M))
    assert len(helped) >= 6
    text = (BUILD / 'completions' / f'{shell}{program}').read_text(encoding='utf-8')
    assert helped <= options_of(text), helped - options_of(text)
    interpreter = shutil.which('zsh' if shell else 'bash')
    if interpreter:
        done = run(interpreter, '-n', BUILD / 'completions' / f'{shell}{program}')
        assert done.returncode == 0 and not done.stderr


def test_all_verbs_are_in_the_manual():
    verbs = re.findall(r'^  ([a-z-]+)  ', run(BUILD / 'programs/vgpuctl/vgpuctl', '--help').stdout, re.M)
    written = re.findall(r'^\.SS "([a-z-]+)', text_of('vgpuctl.1'), re.M)
    assert len(verbs) > 15 and verbs == written


def test_all_keys_of_the_configuration_are_written_down():
    keys = set(re.findall(r'strcmp\(key, "([a-z-]+)"\)', (CONFIG / 'config.c').read_text(encoding='utf-8')))
    assert {'vram', 'driver', 'shares'} < keys
    assert keys <= set(re.findall(r'^\.BI ([a-z-]+)\\~', text_of('vgpud.conf.5'), re.M))
    assert keys <= set(re.findall(r'^#?([a-z-]+) = ', (CONFIG / 'vgpud.conf').read_text(encoding='utf-8'), re.M))


def test_pages_refer_to_pages_that_are_there():
    ours = set()
    for name in pages():
        for page, section in re.findall(r'^\.(?:BR|RB)? ?(vgpu[a-z.-]*) \((\d)\)', text_of(name), re.M):
            ours.add(f'{page}.{section}')
    assert ours and ours <= set(pages())


@pytest.mark.skipif(not shutil.which('man'), reason='there is no man here')
@pytest.mark.parametrize('page', ['vgpu-demo.1', 'vgpu-device.1', 'vgpu-parent.1', 'vgpu-tree.1', 'vgpuctl.1', 'vgpud.8', 'vgpud.conf.5'])
def test_pages_are_clean(page):
    done = run('man', '--warnings', '-l', pages()[page], env={'MANWIDTH': '80'})
    assert done.returncode == 0 and not done.stderr and ('EXIT STATUS' in done.stdout or page.endswith('5'))


def test_no_page_is_forgotten():
    assert {f'{p}.{s}' for p, s in PROGRAMS.items()} <= set(pages())
