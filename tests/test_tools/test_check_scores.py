import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'check_scores.py'
GOOD = {
    'val': {
        'oIoU': 70.0,
        'P@0.9': 25.0,
        'by_kind': {kind: {'oIoU': 60.0} for kind in ('attribute', 'place', 'relation')},
    },
    'val_shuffled': {'oIoU': 8.0},
    'val_blank': {'oIoU': 40.0},
}


def check(tmp_path, results):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(results))
    return subprocess.run([sys.executable, TOOL, path], capture_output=True, text=True)


def test_scores_on_the_bars_pass(tmp_path):
    assert check(tmp_path, GOOD).returncode == 0


@pytest.mark.parametrize(
    ('keys', 'score', 'named'),
    [
        (('val', 'oIoU'), 69.99, 'val oIoU'),
        (('val', 'P@0.9'), 24.9, 'val P@0.9'),
        (('val', 'by_kind', 'place', 'oIoU'), 59.9, 'val place oIoU'),
        (('val_shuffled', 'oIoU'), 8.1, 'val_shuffled'),
        (('val_blank', 'oIoU'), float('nan'), 'val_blank'),
    ],
)
def test_every_missed_bar_fails_and_is_named(tmp_path, keys, score, named):
    results = copy.deepcopy(GOOD)
    place = results
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = score
    run = check(tmp_path, results)
    assert run.returncode == 1
    assert named in run.stderr
