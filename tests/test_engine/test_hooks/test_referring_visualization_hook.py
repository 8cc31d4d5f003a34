# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The same validation items are drawn after every validation."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmengine.visualization import Visualizer
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from magnet_mm.engine import ReferringVisualizationHook
from magnet_mm.engine.hooks import referring_visualization_hook as module
from magnet_mm.errors import ConfigError
from magnet_mm.visualization import ReferringVisualizer, contact_sheet, draw_panels

COUNT = 20


@pytest.fixture
def visualizer(tmp_path, monkeypatch, request):
    """The current visualizer, writing into the temporary directory."""
    visualizer = ReferringVisualizer(
        name=request.node.name, save_dir=str(tmp_path), vis_backends=[dict(type='LocalVisBackend')]
    )
    monkeypatch.setattr(Visualizer, 'get_current_instance', lambda: visualizer)
    return visualizer


@pytest.fixture
def samples(tmp_path):
    """Predicted samples of a validation set of 20 items."""
    result = []
    for index in range(COUNT):
        path = str(tmp_path / f'{index}.png')
        image = np.random.default_rng(index).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        mmcv.imwrite(image[..., ::-1], path)
        sample = SegDataSample(
            metainfo=dict(img_path=path, sample_idx=index, expression=f'item {index}',
                          ref_id=index, sent_id=index)
        )  # fmt: skip
        masks = torch.zeros(2, 1, 24, 24, dtype=torch.uint8)
        masks[0, :, :12], masks[1, :, :, :12] = 1, 1  # IoU 1 / 3
        sample.gt_sem_seg, sample.pred_sem_seg = (PixelData(data=mask) for mask in masks)
        sample.seg_logits = PixelData(data=torch.zeros(1, 24, 24))
        result.append(sample)
    return result


def make_runner(iteration=7):
    return SimpleNamespace(
        val_dataloader=SimpleNamespace(dataset=range(COUNT)), iter=iteration, message_hub=None
    )


def validate(hook, samples, iteration=7):
    runner = make_runner(iteration)
    hook.before_val_epoch(runner)
    for start in range(0, COUNT, 6):
        hook.after_val_iter(runner, start // 6, {}, samples[start : start + 6])
    hook.after_val_epoch(runner)


def expected_sheet(samples, indices):
    pictures = []
    for index in indices:
        sample = samples[index]
        pictures.append(
            draw_panels(
                mmcv.imread(sample.img_path, channel_order='rgb'),
                f'item {index}',
                sample.gt_sem_seg.data[0].numpy(),
                sample.pred_sem_seg.data[0].numpy(),
                iou=1 / 3,
            )
        )
    return contact_sheet(pictures)


def test_draws_the_same_items_in_every_validation(visualizer, samples, tmp_path):
    hook = ReferringVisualizationHook(val_samples=4)
    validate(hook, samples, 7)
    validate(hook, samples, 14)
    folder = tmp_path / 'vis_data' / 'vis_image'
    assert sorted(path.name for path in folder.iterdir()) == [
        'val_samples_14.png',
        'val_samples_7.png',
    ]
    for path in folder.iterdir():
        sheet = mmcv.imread(str(path), channel_order='rgb')
        assert (sheet == expected_sheet(samples, (0, 6, 13, 19))).all()


def test_small_sets_are_drawn_whole_and_zero_draws_none(visualizer, samples, tmp_path):
    validate(ReferringVisualizationHook(val_samples=0), samples)
    assert not (tmp_path / 'vis_data' / 'vis_image').exists()
    validate(ReferringVisualizationHook(val_samples=99), samples)
    sheet = mmcv.imread(str(tmp_path / 'vis_data/vis_image/val_samples_7.png'))
    assert sheet.shape == expected_sheet(samples, range(COUNT)).shape


def test_gathers_the_items_of_all_processes(visualizer, samples, tmp_path, monkeypatch):
    """Two processes with every second item, the last one padded with a repeated item."""
    other = ReferringVisualizationHook(val_samples=4)
    runner = make_runner()
    other.before_val_epoch(runner)
    other.after_val_iter(runner, 0, {}, [*samples[1::2], samples[0]])
    monkeypatch.setattr(module, 'gather_object', lambda data: [data, other._kept])
    hook = ReferringVisualizationHook(val_samples=4)
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, {}, samples[0::2])
    assert all('seg_logits' not in sample for sample in other._kept)
    hook.after_val_epoch(runner)
    sheet = mmcv.imread(str(tmp_path / 'vis_data/vis_image/val_samples_7.png'), channel_order='rgb')
    assert (sheet == expected_sheet(samples, (0, 6, 13, 19))).all()


def test_tests_are_drawn_as_by_mmseg(visualizer, samples, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        quiet = ReferringVisualizationHook()
    quiet.after_test_iter(make_runner(), 0, {}, samples[:1])
    assert not (tmp_path / 'vis_data' / 'vis_image').exists()
    with DefaultScope.overwrite_default_scope('mmseg'):
        hook = HOOKS.build(dict(type='ReferringVisualizationHook', draw=True, interval=1))
    hook.after_test_iter(make_runner(), 0, {}, samples[:1])
    (picture,) = (tmp_path / 'vis_data' / 'vis_image').iterdir()
    assert picture.name.rpartition('_')[0] == 'test_0.png_ref0_sent0'


def test_refuses_what_it_cannot_do(visualizer, monkeypatch):
    with pytest.raises(ConfigError, match='val_samples=-1'):
        ReferringVisualizationHook(val_samples=-1)
    hook = ReferringVisualizationHook()
    hook._visualizer = SimpleNamespace()
    with pytest.raises(ConfigError, match='has a SimpleNamespace'):
        hook.before_val_epoch(make_runner())
