# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReferringVisualizer under mmseg's visualisation hook and on its own."""

from __future__ import annotations

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample

from magnet_mm.visualization import ReferringVisualizer, draw_panels

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
TRUTH = np.zeros((24, 24), dtype=np.uint8)
TRUTH[4:12, 4:12] = 1
PREDICTION = np.roll(TRUTH, 4, axis=1)  # intersection 32, union 96


def make_sample(sent_id=1, **metainfo):
    sample = SegDataSample(
        metainfo=dict(ref_id=7, sent_id=sent_id, expression='the red ball', **metainfo)
    )
    sample.gt_sem_seg = PixelData(data=torch.tensor(TRUTH)[None])
    sample.pred_sem_seg = PixelData(data=torch.tensor(PREDICTION)[None])
    return sample


@pytest.fixture
def visualizer(tmp_path, request):
    return VISUALIZERS.build(
        dict(
            type='ReferringVisualizer',
            name=request.node.name,
            save_dir=str(tmp_path),
            vis_backends=[dict(type='LocalVisBackend')],
        )
    )


def test_draws_the_panels_of_both_masks(visualizer):
    visualizer.add_datasample('a', IMAGE, make_sample())
    expected = draw_panels(IMAGE, 'the red ball', TRUTH, PREDICTION, iou=32 / 96, alpha=0.35)
    assert (visualizer.get_image() == expected).all()


def test_options(visualizer, tmp_path):
    out_file = tmp_path / 'picture.png'
    visualizer.add_datasample(
        'a', IMAGE, make_sample(), draw_gt=False, with_labels=False, out_file=str(out_file)
    )
    expected = draw_panels(IMAGE, None, None, PREDICTION, titles=False, alpha=0.35)
    assert (mmcv.imread(str(out_file), channel_order='rgb') == expected).all()
    assert not list(tmp_path.glob('vis_data/vis_image/*'))
    visualizer.add_datasample('a', IMAGE, make_sample(), draw_pred=False)
    expected = draw_panels(IMAGE, 'the red ball', TRUTH, alpha=0.35)
    assert (visualizer.get_image() == expected).all()
    visualizer.add_datasample('a', IMAGE)
    assert (visualizer.get_image() == draw_panels(IMAGE)).all()


def test_two_empty_masks_have_iou_zero(visualizer):
    sample = make_sample()
    sample.gt_sem_seg.data.zero_()
    sample.pred_sem_seg = PixelData(data=torch.zeros_like(sample.gt_sem_seg.data))
    visualizer.add_datasample('a', IMAGE, sample)
    empty = np.zeros((24, 24))
    expected = draw_panels(IMAGE, 'the red ball', empty, empty, iou=0.0, alpha=0.35)
    assert (visualizer.get_image() == expected).all()


def test_works_under_mmsegs_hook(tmp_path):
    visualizer = ReferringVisualizer.get_instance(
        'hook', save_dir=str(tmp_path), vis_backends=[dict(type='LocalVisBackend')]
    )
    img_path = str(tmp_path / 'x.png')
    mmcv.imwrite(IMAGE[..., ::-1], img_path)
    hook = SegVisualizationHook(draw=True, interval=1)
    assert hook._visualizer is visualizer
    # Two sentences of one image: both pictures must be there.
    outputs = [make_sample(sent_id, img_path=img_path) for sent_id in (1, 2)]
    hook.after_test_iter(SimpleNamespace(iter=30), 0, {}, outputs)
    pictures = sorted((tmp_path / 'vis_data' / 'vis_image').iterdir())
    # The number at the end is the iteration, or the item's with the maintained forks.
    assert [path.name.rpartition('_')[0] for path in pictures] == [
        'test_x.png_ref7_sent1',
        'test_x.png_ref7_sent2',
    ]
    expected = draw_panels(IMAGE, 'the red ball', TRUTH, PREDICTION, iou=32 / 96, alpha=0.35)
    assert (mmcv.imread(str(pictures[0]), channel_order='rgb') == expected).all()


def test_truth_33_arrays_are_drawn_like_tensors(visualizer):
    sample = make_sample()
    sample.seg_logits = PixelData(data=torch.zeros(1, 24, 24))
    drawn = visualizer.draw_sample(IMAGE, sample)
    assert (visualizer.draw_sample(IMAGE, sample.numpy()) == drawn).all()


def test_truth_33_the_mask_of_a_letterboxed_input_is_not_moved_on_that_input(visualizer):
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 5:30] = 1
    geometry = dict(
        ori_shape=(20, 60), img_shape=(40, 60), padding=(0, 10, 0, 10), pad_shape=(40, 60)
    )
    sample = SegDataSample(metainfo=dict(expression='the red ball', **geometry))
    sample.gt_sem_seg = PixelData(data=torch.tensor(mask)[None])
    expected = draw_panels(IMAGE, 'the red ball', mask, None, alpha=0.35)
    assert (visualizer.draw_sample(IMAGE, sample) == expected).all()
