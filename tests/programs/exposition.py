# SPDX-License-Identifier: MIT
"""A strict reader of Prometheus' text format 0.0.4. What it is in doubt about, it refuses."""
import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf'({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)')
KINDS = {'counter', 'gauge', 'histogram', 'summary', 'untyped'}


def read(text):
    """{name: (kind, {labels as a frozenset of pairs: value})}"""
    assert text.endswith('\n') and '\r' not in text, 'every line has its end'
    metrics, current, helped = {}, None, None
    for line in text[:-1].split('\n'):
        if match := re.fullmatch(rf'# HELP ({NAME}) (.*\S)', line):
            assert helped is None and match[1] not in metrics, f'a second or lonely HELP: {line}'
            assert re.fullmatch(r'(?:[^\\]|\\[\\n])*', match[2]), line
            helped = match[1]
        elif match := re.fullmatch(rf'# TYPE ({NAME}) (\w+)', line):
            assert match[1] == helped and match[2] in KINDS, f'TYPE without its HELP: {line}'
            current, helped = match[1], None
            metrics[current] = (match[2], {})
            assert (match[2] == 'counter') == current.endswith('_total'), f'a name that misleads: {current}'
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f'not in the format: {line!r}'
            assert match[1] == current and helped is None, f'not among its own: {line}'
            pairs = re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', match[2] or '')
            assert len({key for key, _ in pairs}) == len(pairs), line
            labels = frozenset((k, re.sub(r'\\(.)', lambda m: '\n' if m[1] == 'n' else m[1], v)) for k, v in pairs)
            kind, samples = metrics[current]
            assert labels not in samples, f'twice: {line}'
            samples[labels] = float(match[3])
            assert kind != 'counter' or samples[labels] >= 0, line
    assert helped is None
    return metrics
