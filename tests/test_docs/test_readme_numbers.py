# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""README.md's numbers are those of docs/demo_run.json, which a script wrote from a run."""

import json
import shutil
from pathlib import Path

import pytest
from benchmarks.readme import duration, fill_readme

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads((ROOT / 'docs/demo_run.json').read_text(encoding='utf-8'))


def test_numbers_are_those_of_the_record(tmp_path):
    page = Path(shutil.copy(ROOT / 'README.md', tmp_path))
    assert fill_readme(page, RECORD) == ['commands', 'measured']
    assert page.read_text() == (ROOT / 'README.md').read_text(), 'make readme writes them'


def test_another_record_gives_another_page(tmp_path):
    page = Path(shutil.copy(ROOT / 'README.md', tmp_path))
    other = dict(RECORD, seconds=dict(env=59.6, demo=721, test=119), steps=2345)
    other['scores'] = {
        split: dict(scores, oIoU=12.345) for split, scores in RECORD['scores'].items()
    }
    fill_readme(page, other)
    text = page.read_text()
    assert 'make demo    # 60 s for .venv, then 12 min 1 s:' in text
    assert '2,345 training steps' in text and '| val | 12.3 |' in text


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0.4, '0 s'), (97, '97 s'), (120, '2 min 0 s'), (621.2, '10 min 21 s')]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
