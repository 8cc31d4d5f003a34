# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Packing: shapes, types, what is data and what is metainfo."""

import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample

from magnet_mm.datasets.transforms.formatting import META_KEYS
from magnet_mm.errors import DataError


def _results() -> dict:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    return dict(
        img=image,
        input_ids=np.array([2, 5, 3, 0]),
        attention_mask=np.array([1, 1, 1, 0]),
        gt_seg_map=np.array([[0, 1, 0], [1, 1, 0]], np.uint8),
        img_path='a.jpg',
        img_id=4,
        ori_shape=(4, 6),
        img_shape=(2, 3),
        scale_factor=(0.5, 0.5),
        expression='red',
        ref_id=1,
        sent_id=2,
        kind=None,
        sample_idx=0,
        dataset_name='refcoco',
        split='val',
        gt_rle=dict(size=[4, 6], counts=b'x'),
        no_target=False,
        height=4,
    )


def test_packed_annotated_sample():
    results = _results()
    packed = TRANSFORMS.build(dict(type='PackReferringInputs'))(results)
    inputs, sample = packed['inputs'], packed['data_samples']
    assert isinstance(sample, SegDataSample)
    assert inputs.dtype == torch.uint8 and inputs.is_contiguous()
    assert inputs[1].tolist() == [[1, 4, 7], [10, 13, 16]]  # channel 1, rows of pixels
    assert sorted(sample.keys()) == ['attention_mask', 'gt_sem_seg', 'input_ids']
    boxed = {'letterbox'}  # not recorded without a letterbox; `height` is left behind
    assert set(sample.metainfo_keys()) == set(META_KEYS) - boxed
    assert sample.input_ids.dtype == sample.attention_mask.dtype == torch.int64
    assert sample.input_ids.tolist() == [2, 5, 3, 0]
    assert sample.gt_sem_seg.data.tolist() == [[[0, 1, 0], [1, 1, 0]]]
    assert sample.gt_sem_seg.data.dtype == torch.uint8
    assert sample.kind is None and sample.gt_rle == dict(size=[4, 6], counts=b'x')


def test_tokens_move_with_the_sample():
    sample = TRANSFORMS.build(dict(type='PackReferringInputs'))(_results())['data_samples']
    moved = sample.to('meta')
    assert (
        moved.input_ids.is_meta and moved.attention_mask.is_meta and moved.gt_sem_seg.data.is_meta
    )


def test_without_annotation():
    results = {key: _results()[key] for key in ('img', 'input_ids', 'attention_mask', 'expression')}
    sample = TRANSFORMS.build(dict(type='PackReferringInputs'))(results)['data_samples']
    assert 'gt_sem_seg' not in sample and sample.metainfo == dict(expression='red')


@pytest.mark.parametrize('kind', [np.uint8, np.int64, np.float32])
def test_truth_16_a_label_2_is_refused_where_the_mask_is_packed(kind):
    results = _results()
    results['gt_seg_map'] = np.array([[0, 1, 2], [1, 1, 0]], kind)
    with pytest.raises(DataError, match='a.jpg, gt_seg_map: the mask has the label'):
        TRANSFORMS.build(dict(type='PackReferringInputs'))(results)
