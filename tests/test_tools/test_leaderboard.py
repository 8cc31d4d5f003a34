# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The leaderboard: which systems run, what is kept, the two tables; trainings are stood in for."""

import json
from pathlib import Path

import pytest
from analysis_tools import leaderboard as tool
from benchmarks import leaderboard

from magnet_mm.errors import ConfigError
from magnet_mm.refshapes import write_refshapes

REPOSITORY = Path(__file__).resolve().parents[2]
SET = """
title: Two systems
source: none
metrics: [val oIoU]
data:
  refshapes: {options: {train_cfg.max_epochs: 1}}
rows:
  - {label: Slow, configs: {refshapes: slow_tiny_refshapes.py}}
  - {label: Quick, configs: {refshapes: quick_tiny_refshapes.py}}
  - {label: Later, configs: {refshapes: later_tiny_refshapes.py}}
"""


@pytest.fixture
def called(tmp_path, monkeypatch):
    """The tools that were called, in place of running them; every system scores 50 and seed."""
    write_refshapes(tmp_path / 'data', 0, dict(train=2, val=1, testA=1, testB=1))
    base = str(REPOSITORY / 'configs/magnet_tiny_refshapes.py')
    (tmp_path / 'sets').mkdir()
    (tmp_path / 'sets/two.yml').write_text(SET)
    for name in ('slow', 'quick'):
        (tmp_path / f'{name}_tiny_refshapes.py').write_text(f'_base_ = {base!r}\n')
    monkeypatch.setenv('REFSHAPES_ROOT', str(tmp_path / 'data'))
    calls = []

    def call_tool(name, config, *arguments, log):
        options = dict(one.split('=') for one in map(str, arguments) if '=' in one)
        seed = int(options['randomness.seed'])
        calls.append((name, Path(config).stem.split('_')[0], seed))
        if name == 'tools/train.py':
            (log.parent / 'best_oIoU_epoch_1.pth').touch()
            return
        better = 10 * (calls[-1][1] == 'quick')
        scores = {'oIoU': 50.0 + seed + better, 'mIoU': 40.0, 'P@0.5': 45.0, 'P@0.9': 1.0}
        splits = arguments[arguments.index('--splits') + 1 : arguments.index('--json')]
        target = arguments[arguments.index('--json') + 1]
        target.write_text(json.dumps({split: scores for split in splits}))

    monkeypatch.setattr(tool.training, 'call_tool', call_tool)
    monkeypatch.setattr(leaderboard, '_REPEATS', 2)
    return calls


def test_systems_one_by_one_fill_one_table(called, tmp_path, capsys):
    common = ['--set', str(tmp_path / 'sets/two.yml'), '--work-dir', str(tmp_path / 'runs')]
    common += ['--out', str(tmp_path / 'out')]

    def invoke(*arguments):
        called.clear()
        tool.main([*common, *arguments])
        return capsys.readouterr().out

    table = tmp_path / 'out/refshapes.md'
    assert 'No small config yet, left out: Later' in invoke('--systems', 'slow')
    assert called == [('tools/train.py', 'slow', 0), ('tools/test.py', 'slow', 0)]
    assert '| Quick | - |' in table.read_text()

    invoke('--seeds', '0', '2')  # what is done is kept
    assert [call[1:] for call in called[::2]] == [('quick', 0), ('slow', 2), ('quick', 2)]
    header, _, first, second = table.read_text().splitlines()
    assert header.startswith('| system | val | testA | testB | val_shuffled | val_blank |')
    assert first.startswith('| Quick | 61.0 / 45.0 |') and '| 61.0 (60.0 to 62.0) |' in first
    assert second.startswith('| Slow | 51.0 / 45.0 |') and second.endswith('| 0, 2 |')

    record = json.loads(
        (tmp_path / 'runs/two/refshapes/slow_tiny_refshapes/seed0/run.json').read_text()
    )
    scores = record['scores']
    assert scores['val_blank P@0.9'] == 1.0
    # as `get_flops.py configs/magnet_tiny_refshapes.py --shape 80 80`, without training-only heads
    assert scores['parameters'] == 3_332_884
    assert scores['GMACs'] == pytest.approx(0.086, abs=2e-3)
    assert 0 < scores['ms per image'] < 60_000
    assert 0 <= scores['minutes'] < 1

    invoke('--table-only', '--seeds', '5')
    assert called == []
    published = (tmp_path / 'out/refcoco_val.md').read_text().splitlines()
    assert published[2].startswith('| MagNet | `magnet_swinb_refcoco` | 75.24 | - | - |')
    dice = next(line for line in published if 'lavt_swinb-dice_refcoco' in line)
    assert dice.startswith('| LAVT | `lavt_swinb-dice_refcoco` | 73.50 | 75.41 | - |')
    assert not any('_n100_' in line for line in published)
    with pytest.raises(ConfigError, match=r'has no later; it has: quick, slow\.'):
        invoke('--systems', 'later')


def test_an_interrupted_training_goes_on_without_a_time(called, tmp_path, capsys):
    folder = tmp_path / 'runs/two/refshapes/slow_tiny_refshapes/seed0'
    folder.mkdir(parents=True)
    tool.main(['--set', str(tmp_path / 'sets/two.yml'), '--work-dir', str(tmp_path / 'runs')]
              + ['--out', str(tmp_path), '--systems', 'slow'])  # fmt: skip
    row = (tmp_path / 'refshapes.md').read_text().splitlines()[2].split(' | ')
    assert row[-2:] == ['-', '0 |']


def test_the_shipped_set_names_configs_as_the_systems():
    shipped = tool.tables.read_ablation_set(
        REPOSITORY / 'configs/leaderboard/systems.yml', complete=False
    )
    for row in shipped.rows:
        assert row.config.stem == f'{row.label.lower()}_tiny_refshapes'
    chosen, absent = leaderboard.choose(shipped, None)
    assert {'magnet', 'lavt', 'coupalign'} <= {leaderboard.system_of(row) for row in chosen}
    assert len(chosen) + len(absent) == 12
