# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The released test codes' rules on maps small enough to follow by hand."""

import math

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import GeneralizedReferringMetric, ReferringMetric, encode_mask
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.released_rules import RELEASED_RULES

SURE = 20.0  # a logit whose probability is 1 in float32


def logit(probability):
    return math.log(probability / (1 - probability))


def sample(head=None, full=None, ori_shape=(4, 8), img_shape=(8, 8), **metainfo):
    """A predicted sample as the metric sees it; logits are nested lists [H, W]."""
    about = dict(ori_shape=ori_shape, img_shape=img_shape, foreground=ForegroundRule().as_dict())
    made = SegDataSample(metainfo=dict(about, **metainfo))
    for name, logits in (('head_logits', head), ('seg_logits', full)):
        if logits is not None:
            made.set_field(PixelData(data=torch.as_tensor(logits)[None].float()), name)
    return made.to_dict()


def mask(rule, made):
    return RELEASED_RULES[rule].mask(made).int()


def test_vlt_thresholds_probabilities_after_resizing():
    """A column of probability 1 beside one of 0, 2 -> 8 pixels wide, then the box, then 8 -> 8."""
    head = [[SURE, -SURE]] * 2
    made = sample(head, letterbox=(2, 0, 4, 8))
    # half-pixel centres: source x = (i + 0.5) / 4 - 0.5; p = 1, 1, .875, .625, .375, .125, 0, 0
    assert mask('vlt', made).tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]] * 4
    # logits resized before the sigmoid would cross 0.35 elsewhere: -5 < cut < 5 between 4 and 5
    assert torch.sigmoid(torch.tensor(-5.0)) < 0.35


def test_vlt_takes_more_than_0_35():
    made = sample([[logit(0.36), logit(0.34)]] * 2, img_shape=(2, 2), ori_shape=(2, 2))
    assert mask('vlt', made).tolist() == [[1, 0]] * 2


def test_cris_warps_a_centred_box_back():
    """A box of 8 x 8 with an original of 4 x 8: scale 1, moved by two rows, corners aligned."""
    head = torch.full((8, 8), -SURE)
    head[3, 2:5] = SURE  # row 3 of the box is row 1 of the original
    expected = torch.zeros(4, 8, dtype=torch.int32)
    expected[1, 2:5] = 1
    assert torch.equal(mask('cris', sample(head.tolist())), expected)


def test_cris_has_no_half_pixel():
    """The original is twice the input: its pixel 2 i is pixel i of the input."""
    head = torch.full((4, 4), -SURE)
    head[:, 2:] = SURE
    made = sample(head.tolist(), ori_shape=(8, 8), img_shape=(4, 4))
    got = mask('cris', made)
    assert got[0, 4] == 1 and got[0, 2] == 0
    # between two pixels a cubic gives 0.5, above 0.35; with half pixels column 3 would be 0.14
    assert got[0].tolist()[:5] == [0, 0, 0, 1, 1]


def test_efn_dilates():
    """0/1 at the input, 2 -> 4 pixels: every pixel that has a part of the 1 counts."""
    made = sample(full=[[1e-8, -1.0]], img_shape=(1, 2), ori_shape=(1, 4))
    assert mask('efn', made).tolist() == [[1, 1, 1, 0]]
    assert mask('efn', sample(full=[[1e-10, -1]], img_shape=(1, 2), ori_shape=(1, 4))).sum() == 0


@pytest.mark.parametrize('rule', ['cmpc', 'lscm'])
def test_cmpc_enlarges_then_crops(rule):
    """A 4 x 4 input of a 4 x 8 original is enlarged to 8 x 8; rows 2 to 5 stay."""
    full = torch.full((4, 4), -1.0)
    full[0] = 1  # padding: rows 0 and 1 of the enlarged map, and a quarter of row 2
    made = sample(full=full.tolist(), img_shape=(4, 4), letterbox=(1, 0, 2, 4))
    assert mask(rule, made).tolist() == [[1] * 8, [0] * 8, [0] * 8, [0] * 8]


def test_vlt_scores():
    """Strict levels every 0.05; 1e-10 in both terms makes an empty item right."""
    scoring = RELEASED_RULES['vlt'].scoring
    assert scoring.levels == (50, 55, 60, 65, 70, 75, 80, 85, 90, 95)
    assert scoring.iou(dict(intersection=0, union=0)) == 1
    assert scoring.reaches(dict(intersection=551, union=1000), 55)
    assert not scoring.reaches(dict(intersection=549, union=1000), 55)


def test_cris_scores():
    """1e-6 in the union: IoU 0.5 does not exceed 0.5, an empty item is wrong."""
    scoring = RELEASED_RULES['cris'].scoring
    assert scoring.iou(dict(intersection=0, union=0)) == 0
    assert not scoring.reaches(dict(intersection=5, union=10), 50)
    assert scoring.reaches(dict(intersection=51, union=100), 50)


def scored(rule, made, truth):
    made.update(dataset_name='d', split='val', ref_id=1, sent_id=1, expression='x', **truth)
    metric = ReferringMetric(rule=rule)
    metric.process({}, [made])
    return metric, metric.evaluate(1)


def test_the_metric_scores_by_a_rule():
    """VLT: 5 of 8 columns found, 4 are true: 16 / 20 pixels at the original's size."""
    truth = np.zeros((4, 8), np.uint8)
    truth[:, :4] = 1
    made = sample([[SURE, -SURE]] * 2, letterbox=(2, 0, 4, 8))
    metric, scores = scored('vlt', made, dict(gt_rle=encode_mask(truth)))
    assert metric.resolution == 'original'
    assert scores['oIoU'] == 80 and scores['mIoU'] == pytest.approx(80)
    assert scores['P@0.75'] == 100 and scores['P@0.85'] == 0 and 'P@0.95' in scores


@pytest.mark.parametrize(('rule', 'absent', 'iou'), [('rela', 1, 0), ('rela', 0, 50)])
def test_rela_keeps_an_ignored_mask_in_the_union(rule, absent, iou):
    """Two pixels found, one of them true; "no target" takes the intersection away alone."""
    made = sample(full=[[1.0, 1.0], [-1.0, -1.0]], img_shape=(2, 2), ori_shape=(2, 2))
    made['pred_no_target'] = torch.tensor(absent)
    made['gt_sem_seg'] = dict(data=torch.tensor([[[1, 0], [0, 0]]]))
    metric, scores = scored(rule, made, {})
    assert scores['oIoU'] == iou


def test_lavt_is_the_mask_of_the_segmentor():
    made = sample()
    made['pred_sem_seg'] = dict(data=torch.tensor([[[1, 1], [0, 0]]]))
    made['gt_sem_seg'] = dict(data=torch.tensor([[[1, 0], [0, 0]]]))
    assert scored('lavt', made, {})[1]['oIoU'] == 50


def test_rules_that_are_none():
    with pytest.raises(ConfigError, match="not 'VLT'"):
        ReferringMetric(rule='VLT')
    with pytest.raises(ConfigError, match='leave out'):
        GeneralizedReferringMetric(rule='rela')
    with pytest.raises(DataError, match='without --tta'):
        mask('vlt', sample(full=[[0.0]]))
