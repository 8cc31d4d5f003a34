# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Batch targets, by hand."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.errors import DataError
from magnet_mm.models.targets import nearest_masks, stack_masks, stack_text


def sample_of(mask: list[list[int]]) -> SegDataSample:
    sample = SegDataSample(metainfo=dict(img_path='cat.jpg'))
    sample.gt_sem_seg = PixelData(data=torch.tensor([mask], dtype=torch.uint8))
    return sample


MASK = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_stack_text(make_samples):
    _, samples = make_samples(batch=3, size=8, tokens=6, lengths=(6, 4, 3))
    input_ids, attention_mask = stack_text(samples).values()
    assert input_ids.dtype == attention_mask.dtype == torch.int64
    assert attention_mask.tolist() == [[1] * 6, [1] * 4 + [0] * 2, [1] * 3 + [0] * 3]
    assert torch.equal(input_ids[1], samples[1].input_ids)
    assert input_ids[2, 3:].tolist() == [0, 0, 0]


@pytest.mark.parametrize('missing', ['input_ids', 'attention_mask'])
def test_stack_text_names_the_image_without_tokens(make_samples, missing):
    _, samples = make_samples(batch=2, size=8)
    delattr(samples[1], missing)
    with pytest.raises(DataError, match=r'1\.jpg.*TokenizeExpression'):
        stack_text(samples)


def test_stack_masks():
    masks = stack_masks([sample_of(MASK), sample_of([[0] * 4] * 4)])
    assert masks.shape == (2, 1, 4, 4)
    assert masks.dtype == torch.float32
    assert masks[0, 0].tolist() == MASK
    assert masks[1].sum() == 0


@pytest.mark.parametrize('label', [2, 255])
def test_truth_16_another_label_than_0_and_1_is_an_error(label):
    good, bad = sample_of(MASK), sample_of([[label] + MASK[0][1:]] + MASK[1:])
    bad.set_metainfo(dict(ref_id=7))
    for read in (stack_masks, lambda x: nearest_masks(x, (2, 2))):
        with pytest.raises(DataError, match=rf'ref 7 \(cat.jpg\) holds the labels {label} beside'):
            read([good, bad])


def test_nearest_masks_sample_the_pixel_under_the_cell_centre():
    mask = [[0] * 6 for _ in range(6)]
    mask[1][4] = 1  # centre of the upper right 3x3 cell
    mask[3][0] = mask[5][5] = 1  # corners of the lower cells: not sampled
    resized = nearest_masks([sample_of(mask)], (2, 2))
    assert resized.dtype == torch.bool
    assert resized.tolist() == [[[False, True], [False, False]]]
