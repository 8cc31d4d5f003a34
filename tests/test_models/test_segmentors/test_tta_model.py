# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Test-time augmentation: mean probability at the size of the first variant."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from magnet_mm.errors import DataError
from magnet_mm.models.segmentors import ReferringTTAModel


def prediction(logits, expression='red', **fields):
    logits = torch.as_tensor(logits, dtype=torch.float32)
    sample = SegDataSample(
        metainfo=dict(
            expression=expression,
            img_path='a.jpg',
            img_shape=tuple(logits.shape[1:]),
            ori_shape=(3, 3),
        )
    )
    sample.seg_logits = PixelData(data=logits)
    for name, value in fields.items():
        setattr(sample, name, PixelData(data=torch.as_tensor(value)))
    return sample


@pytest.fixture
def tta_model(build_model, tiny_magnet_config):
    config = tiny_magnet_config()
    return MODELS.build(dict(type='ReferringTTAModel', module=build_model(config).eval()))


def test_one_channel_by_hand(tta_model):
    first = prediction([[[2.0, -3.0]]], gt_sem_seg=[[[1, 0]]])
    (merged,) = tta_model.merge_preds([[first, prediction([[[-1.0, 4.0]]])]])
    sigmoid = [1 / (1 + math.exp(-x)) for x in (2, -3, -1, 4)]
    mean = [(sigmoid[0] + sigmoid[2]) / 2, (sigmoid[1] + sigmoid[3]) / 2]
    assert merged.seg_logits.data.sigmoid().flatten().tolist() == pytest.approx(mean)
    assert merged.pred_sem_seg.data.tolist() == [[[1, 1]]]  # 0.575 and 0.515
    assert merged.pred_sem_seg.data.dtype == torch.uint8
    assert merged.gt_sem_seg.data.tolist() == [[[1, 0]]]


def test_two_channels_by_hand(tta_model):
    (merged,) = tta_model.merge_preds([[prediction([[[0.0]], [[1.0]]]),
                                        prediction([[[0.0]], [[-9.0]]])]])  # fmt: skip
    foreground = (math.e / (1 + math.e) + math.exp(-9) / (1 + math.exp(-9))) / 2
    assert merged.seg_logits.data.softmax(0).flatten().tolist() == pytest.approx(
        [1 - foreground, foreground]
    )
    assert merged.pred_sem_seg.data.tolist() == [[[0]]]


def test_other_sizes_are_resized_with_aligned_corners(tta_model):
    first = prediction(torch.full((1, 3, 3), -100.0))
    small = prediction([[[100.0, 100.0], [-100.0, -100.0]]])
    (merged,) = tta_model.merge_preds([[first, small]])
    rows = merged.seg_logits.data.sigmoid()[0, :, 0].tolist()
    assert rows == pytest.approx([0.5, 0.25, 0], abs=1e-6)


@pytest.mark.parametrize('channels', [1, 2])
def test_one_variant_keeps_every_pixel(tta_model, channels):
    """Also logits so small that their probability rounds to one half in single precision."""
    logits = torch.randn(channels, 40, 40) * 10 ** torch.linspace(-12, 1, 40)
    (merged,) = tta_model.merge_preds([[prediction(logits)]])
    plain = logits > 0 if channels == 1 else logits.argmax(0, keepdim=True)
    assert torch.equal(merged.pred_sem_seg.data, plain.byte())


def test_infinite_logits_stay_visible_to_the_metric(tta_model):
    (merged,) = tta_model.merge_preds([[prediction([[[math.inf, 1.0]]])]])
    assert torch.isfinite(merged.seg_logits.data).tolist() == [[[False, True]]]


def test_other_sentences_are_refused(tta_model):
    with pytest.raises(DataError, match=r'a\.jpg carry different sentences'):
        tta_model.merge_preds([[prediction([[[0.0]]]), prediction([[[0.0]]], 'blue')]])


def test_one_scale_equals_the_plain_prediction(tta_model, make_samples):
    _, samples = make_samples(batch=2)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    model = tta_model.module
    model.data_preprocessor.size = (64, 64)
    plain = model.test_step(dict(inputs=list(images), data_samples=copy.deepcopy(samples)))
    merged = tta_model.test_step(dict(inputs=[list(images)], data_samples=[copy.deepcopy(samples)]))
    assert isinstance(tta_model, ReferringTTAModel)
    for expected, result in zip(plain, merged, strict=True):
        assert torch.equal(result.pred_sem_seg.data, expected.pred_sem_seg.data)
        torch.testing.assert_close(result.seg_logits.data, expected.seg_logits.data)
        assert torch.equal(result.gt_sem_seg.data, expected.gt_sem_seg.data)
        assert (result.ref_id, result.expression) == (expected.ref_id, expected.expression)


def test_three_scales_average_three_predictions(tta_model, make_samples):
    _, samples = make_samples(batch=1)
    model = tta_model.module
    sizes = (64, 48, 80)
    images = [torch.randint(0, 256, (3, s, s), dtype=torch.uint8) for s in sizes]
    batches = [dict(inputs=[image], data_samples=copy.deepcopy(samples)) for image in images]
    for batch, size in zip(batches, sizes, strict=True):
        batch['data_samples'][0].set_metainfo(dict(img_shape=(size, size)))
    mean = 0
    for batch in copy.deepcopy(batches):
        (single,) = model.test_step(batch)
        probability = single.seg_logits.data[None].sigmoid()
        mean += (
            torch.nn.functional.interpolate(
                probability, (64, 64), mode='bilinear', align_corners=True
            )[0]
            / 3
        )
    (merged,) = tta_model.test_step(
        {key: [batch[key] for batch in batches] for key in ('inputs', 'data_samples')}
    )
    torch.testing.assert_close(merged.seg_logits.data.sigmoid(), mean)
    assert torch.equal(merged.pred_sem_seg.data.bool(), mean > 0.5)
