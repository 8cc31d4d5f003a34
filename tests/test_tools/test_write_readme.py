# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``tools/analysis_tools/write_readme.py``: from a run of the demo to the numbers of a page."""

import json
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/write_readme.py'
SCORES = {
    'oIoU': 81.23456, 'mIoU': 80.0, 'P@0.5': 90.0, 'P@0.9': 33.3333,
    'by_kind': {kind: {'oIoU': 70.06} for kind in ('attribute', 'place', 'relation')},
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / 'demo'
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 3.0, "time": 0.2}\n{"loss": 2.0, "time": 0.3}\n{"oIoU": 50.0}\n')
    torch.save(dict(state_dict={}, meta=dict(iter=1234, epoch=3)), folder / 'epoch_3.pth')
    (folder / 'last_checkpoint').write_text('/where/it/was/epoch_3.pth')
    (folder / 'results.json').write_text(json.dumps(dict(val=SCORES)))
    (tmp_path / 'timings').mkdir()
    for name, seconds in (('env', 61), ('demo', 600), ('test', 500)):
        (tmp_path / 'timings' / name).write_text(f'{seconds}\n')
    page = '<!-- demo:commands -->\n<!-- /demo -->\nkept\n<!-- demo:measured -->\n<!-- /demo -->\n'
    (tmp_path / 'page.md').write_text(page)
    return folder


def arguments(run):
    root = run.parent
    return ['--run', run, '--timings', root / 'timings', '--record', root / 'record.json',
            '--page', root / 'page.md']  # fmt: skip


def test_records_and_writes(run, run_tool):
    assert 'wrote commands, measured' in run_tool(TOOL, *arguments(run))
    record = json.loads((run.parent / 'record.json').read_text())
    assert record['seconds'] == dict(env=61, demo=600, test=500) and record['cores'] >= 1
    assert (record['steps'], record['epochs'], record['seconds_per_step']) == (1234, 3, 0.25)
    assert record['scores']['val']['oIoU'] == 81.23
    text = (run.parent / 'page.md').read_text()
    assert 'make demo    # 61 s for .venv, then 10 min 0 s' in text and '\nkept\n' in text
    assert '| val | 81.2 | 80.0 | 90.0 | 33.3 | 70.1 / 70.1 / 70.1 |' in text
    assert '1,234 training steps\nof about 0.25 s' in text


def test_a_time_is_absent(run, run_tool):
    (run.parent / 'timings/test').unlink()
    with pytest.raises(AssertionError, match='run make env, make demo and make test first'):
        run_tool(TOOL, *arguments(run))
    assert not (run.parent / 'record.json').exists()
