# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The multi-scale pipeline of ``--tta``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pycocotools import mask as coco_mask

import magnet_mm  # noqa: F401  (registers the transforms)
from magnet_mm.engine.run_setup import runtime
from magnet_mm.engine.run_setup.test_time_augmentation import multi_scale_pipeline
from magnet_mm.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
NAMES = ('magnet_tiny_refshapes', 'lavt_tiny_refshapes', 'magnet_swinb_refcoco')


@pytest.mark.parametrize('name', NAMES)
def test_shipped_configs_have_it(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    before = cfg.model.to_dict()
    pipeline = cfg.test_dataloader.dataset.pipeline
    runtime.enable_test_time_augmentation(cfg)
    assert cfg.model.type == 'ReferringTTAModel'
    assert cfg.model.module.to_dict() == before
    *loading, augmentation = cfg.test_dataloader.dataset.pipeline
    assert [step['type'] for step in loading] == ['LoadReferringImage', 'LoadReferringMask']
    resizes, tokenizing, packing = augmentation['transforms']
    side = pipeline[2]['scale'][0]
    expected = {80: [80, 64, 96], 480: [480, 384, 576]}[side]
    assert [step['scale'] for step in resizes] == [(side, side) for side in expected]
    assert all(step['keep_ratio'] is False and step['backend'] == 'pillow' for step in resizes)
    assert (tokenizing, packing) == ([pipeline[3]], [pipeline[4]])
    assert 'flip' not in str(augmentation).lower()


def test_every_variant_carries_the_same_sentence_at_another_size(tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[:20] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    pipeline = multi_scale_pipeline(
        [
            dict(type='LoadReferringMask'),
            dict(type='Resize', scale=(80, 80), keep_ratio=False, backend='pillow'),
            dict(type='TokenizeExpression', tokenizer='magnet_mm://refshapes', max_tokens=8),
            dict(type='PackReferringInputs'),
        ],
        (0.5, 1),
    )
    sample = dict(
        img=np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3), img_path='x.png',
        ori_shape=(40, 60), img_shape=(40, 60), height=40, width=60, expression='the red circle',
        segmentation=dict(size=[40, 60], counts=rle['counts'].decode()),
    )  # fmt: skip
    with DefaultScope.overwrite_default_scope('mmseg'):
        data = Compose(pipeline)(sample)
    assert [tuple(image.shape) for image in data['inputs']] == [(3, 80, 80), (3, 48, 48)]
    first, second = data['data_samples']
    assert first.expression == second.expression == 'the red circle'
    assert first.input_ids.tolist() == second.input_ids.tolist()
    assert first.gt_sem_seg.data.sum() == 40 * 80


@pytest.mark.parametrize(
    ('pipeline', 'scales', 'message'),
    [
        ([dict(type='Resize', scale=(8, 8))], (0.5, 2), 'with 1'),
        ([dict(type='Resize', scale=(8, 8))], (1, -1), 'positive'),
        ([], (1,), '0 Resize steps'),
        ([dict(type='Resize', scale_factor=2)], (1,), 'fixed `scale`'),
    ],
)
def test_refuses_what_it_cannot_scale(pipeline, scales, message):
    with pytest.raises(ConfigError, match=message):
        multi_scale_pipeline(pipeline, scales)
