# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Metric, inferencer, pictures and test-time augmentation take logits back to the image alike."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.apis.results import make_result
from magnet_mm.errors import DataError
from magnet_mm.evaluation import encode_mask
from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.results_io import decode_mask
from magnet_mm.models.segmentors.tta_model import _merge
from magnet_mm.visualization.referring_visualizer import _prediction_on_the_image

RECORDS = {
    'keep_ratio': dict(img_shape=(24, 32)),
    'letterbox': dict(img_shape=(32, 32), letterbox=(4, 0, 24, 32)),
    'padding': dict(img_shape=(24, 32), img_padding_size=(0, 8, 0, 8)),
}


def sample_of(name: str) -> SegDataSample:
    """A 48 x 64 image whose object is a rectangle, and logits that know it."""
    record = dict(RECORDS[name], ori_shape=(48, 64))
    truth = torch.zeros(48, 64, dtype=torch.uint8)
    truth[10:30, 20:50] = 1
    inner = F.interpolate(truth[None, None].float(), (24, 32), mode='area')[0] * 12 - 6
    top, left, *_ = record.get('letterbox', (0, 0, 24, 32))
    height, width = record['img_shape']
    logits = F.pad(inner, (left, width - left - 32, top, height - top - 24), value=-6)
    if name == 'padding':  # the segmentor cuts it off again; uncut logits must be taken as well
        logits = F.pad(logits, (0, 8, 0, 8), value=6)
    sample = SegDataSample(
        metainfo=dict(
            record,
            dataset_name='d',
            split='val',
            ref_id=1,
            sent_id=1,
            expression='it',
            img_path='a.jpg',
            gt_rle=encode_mask(truth.numpy()),
        )
    )
    sample.seg_logits = PixelData(data=logits)
    sample.pred_sem_seg = PixelData(data=(logits > 0).byte())
    return sample


@pytest.mark.parametrize('name', RECORDS)
def test_truth_2_metric_inferencer_pictures_and_augmentation_agree_to_the_pixel(name, tmp_path):
    sample = sample_of(name)
    metric = ReferringMetric(resolution='original', output_dir=tmp_path, keep_results=True)
    metric.process(None, [copy.deepcopy(sample).to_dict()])
    scores = metric.evaluate(1)
    assert scores['oIoU'] == pytest.approx(100)
    scored = decode_mask(metric.items[0]['prediction']).astype(bool)
    assert (make_result(copy.deepcopy(sample), 'a').mask == scored).all()
    drawn = _prediction_on_the_image(np.zeros((1, 1), bool), np.zeros((48, 64, 3)), sample)
    assert (drawn == scored).all()
    sample_of_arrays = copy.deepcopy(sample).numpy()
    drawn = _prediction_on_the_image(
        np.zeros((1, 1), bool), np.zeros((48, 64, 3)), sample_of_arrays
    )
    assert (drawn == scored).all()
    if name != 'padding':  # augmented samples come from the segmentor, which cuts padding off
        assert (make_result(_merge([sample]), 'a').mask == scored).all()


@pytest.mark.parametrize('absent', ['img_shape', 'ori_shape'])
def test_truth_2_no_record_of_the_geometry_is_an_error(absent):
    sample = sample_of('letterbox').to_dict()
    del sample[absent]
    metric = ReferringMetric(resolution='original')
    with pytest.raises(DataError, match=f'does not say {absent}'):
        metric.process(None, [sample])
