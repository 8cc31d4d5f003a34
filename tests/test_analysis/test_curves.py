# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Training curves out of the logs of one run and of resumed ones."""

from __future__ import annotations

import json

import cv2
import pytest
from mmengine.visualization import LocalVisBackend

from magnet_mm.analysis import plot_curves, read_scalars
from magnet_mm.errors import DataError


def write_run(work_dir, timestamp, epochs, score=0.0, iterations=20):
    """Log like mmengine's LoggerHook: two training records and one validation per epoch."""
    backend = LocalVisBackend(str(work_dir / timestamp / 'vis_data'))
    for epoch in epochs:
        for step in (epoch * iterations - iterations // 2, epoch * iterations):
            backend.add_scalars(
                {
                    'lr': 1e-4 / step,
                    'data_time': 0.1,
                    'loss': 1000.0 / step + score,
                    'decode.loss_mask': 600.0 / step,
                    'grad_norm': 2.0,
                    'time': 0.2,
                    'epoch': epoch,
                    'iter': step,
                    'memory': 10,
                },
                step=step,
                file_path=f'{timestamp}.json',
            )
        backend.add_scalars(
            {'oIoU': score + epoch, 'mIoU': 2.0, 'P@0.5': 3.0, 'oIoU/place': 1.0, 'time': 0.1},
            step=epoch,
            file_path=f'{timestamp}.json',
        )


def test_one_run(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2])
    scalars = read_scalars(tmp_path)
    assert scalars.runs == 1
    assert scalars.last_epoch == 2
    assert set(scalars.losses()) == {'loss', 'decode.loss_mask'}
    assert scalars.losses()['loss'] == {10: 100.0, 20: 50.0, 30: 1000 / 30, 40: 25.0}
    assert scalars.learning_rates() == {'lr': {10: 1e-5, 20: 5e-6, 30: 1e-4 / 30, 40: 2.5e-6}}
    assert scalars.val == {
        'oIoU': {1: 1.0, 2: 2.0},
        'mIoU': {1: 2.0, 2: 2.0},
        'P@0.5': {1: 3.0, 2: 3.0},
        'oIoU/place': {1: 1.0, 2: 1.0},
    }


def test_a_resumed_run_replaces_what_was_lost(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2, 3])
    write_run(tmp_path, '20260102_000000', [3, 4], score=10.0)
    scalars = read_scalars(tmp_path)
    assert scalars.runs == 2
    assert scalars.val['oIoU'] == {1: 1.0, 2: 2.0, 3: 13.0, 4: 14.0}
    assert list(scalars.train['loss']) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert scalars.train['loss'][40] == 25.0
    assert scalars.train['loss'][60] == pytest.approx(1000 / 60 + 10)


def test_a_run_from_scratch_replaces_everything(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2, 3])
    write_run(tmp_path, '20260102_000000', [1], score=10.0)
    assert read_scalars(tmp_path).val['oIoU'] == {1: 11.0}
    assert list(read_scalars(tmp_path).train['loss']) == [10, 20]


def test_a_validation_alone_is_left_out(tmp_path):
    write_run(tmp_path, '20260101_000000', [1])
    LocalVisBackend(str(tmp_path / '20260103_000000' / 'vis_data')).add_scalars({'oIoU': 9.0})
    scalars = read_scalars(tmp_path)
    assert (scalars.runs, scalars.val['oIoU']) == (1, {1: 1.0})


def test_a_line_cut_off_by_a_kill(tmp_path):
    write_run(tmp_path, '20260101_000000', [1])
    log = tmp_path / '20260101_000000' / 'vis_data' / 'scalars.json'
    complete = read_scalars(tmp_path)
    log.write_text(log.read_text() + '{"lr": 1e-')
    assert read_scalars(tmp_path) == complete
    log.write_text(log.read_text() + '\n' + json.dumps({'step': 3}))
    with pytest.raises(DataError, match='scalars.json, line 4: not valid JSON'):
        read_scalars(tmp_path)


def test_no_log(tmp_path):
    with pytest.raises(DataError, match=f'no training log in {tmp_path}'):
        plot_curves(tmp_path, tmp_path / 'curves.png')


def test_plot(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2])
    out_file = tmp_path / 'new' / 'curves.png'
    plot_curves(tmp_path, out_file)
    image = cv2.imread(str(out_file))
    assert image.shape == (900, 1500, 3)
    # The first two default colours of matplotlib are on the canvas (BGR).
    for color in ((180, 119, 31), (14, 127, 255)):
        assert (image == color).all(axis=2).sum() > 50
