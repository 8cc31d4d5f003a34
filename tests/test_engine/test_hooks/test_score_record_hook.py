# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""scores.json after validation and test: where it lies, and what it says of the run."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

from mmengine.logging import MMLogger

from magnet_mm.datasets import ReferringDataset
from magnet_mm.engine.hooks import ScoreRecordHook
from magnet_mm.evaluation import ReferringMetric
from magnet_mm.evaluation.score_record import read_record


def test_validation_and_test(write_data, tmp_path):
    dataset = ReferringDataset(**write_data(), split='val', test_mode=True, pipeline=[])
    checkpoint = tmp_path / 'best.pth'
    checkpoint.write_bytes(b'weights')
    loop = SimpleNamespace(
        evaluator=SimpleNamespace(metrics=[ReferringMetric(resolution='original')]),
        dataloader=SimpleNamespace(dataset=dataset),
    )
    runner = SimpleNamespace(
        val_loop=loop,
        test_loop=loop,
        epoch=2,
        iter=30,
        seed=7,
        cfg=SimpleNamespace(filename='mine.py'),
        log_dir=str(tmp_path / 'run'),
        logger=MMLogger.get_instance('test_score_record'),
        _load_from=str(checkpoint),
    )
    hook = ScoreRecordHook()
    hook.after_val_epoch(runner, {'oIoU': 12.5})
    record = read_record(tmp_path / 'run/val/scores.json')
    assert record['evaluations'] == [
        dict(
            protocol=dict(
                metric='ReferringMetric',
                per='sentence',
                rule='standard',
                resolution='original',
                input_size=None,
                masks='as predicted',
            ),
            items=4,
            scores={'oIoU': 12.5},
        )
    ]
    assert record['model'] == dict(config='mine.py', epoch=2, iter=30, seed=7)
    assert (record['data'][0]['sentences'], record['data'][0]['images']) == (4, 2)

    loop.evaluator.metrics[0].output_dir = str(tmp_path / 'out')
    hook.after_test_epoch(runner, {'oIoU': 13.0})
    record = read_record(tmp_path / 'out/scores.json')
    assert record['model']['checkpoint'] == dict(
        file=str(checkpoint), sha256=hashlib.sha256(b'weights').hexdigest()
    )


def test_other_metrics_have_no_record(tmp_path):
    loop = SimpleNamespace(evaluator=SimpleNamespace(metrics=[object()]))
    ScoreRecordHook().after_val_epoch(
        SimpleNamespace(val_loop=loop, epoch=1, iter=1, log_dir=str(tmp_path)), {}
    )
    assert list(tmp_path.iterdir()) == []
