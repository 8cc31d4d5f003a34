# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The way from the network's input back to the original image."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from magnet_mm.datasets.transforms import Letterbox
from magnet_mm.errors import DataError
from magnet_mm.evaluation.geometry import to_original, to_other_input, without_padding


def test_a_plain_resize_is_undone():
    maps = torch.randn(2, 12, 10)
    record = dict(img_shape=(12, 10), ori_shape=(24, 40))
    expected = F.interpolate(maps[None], (24, 40), mode='bilinear', align_corners=True)[0]
    assert torch.equal(to_original(maps, record), expected)


def test_padding_and_letterbox_are_cut_off():
    """A 4 x 6 image in the middle of an 8 x 8 box, which was padded to 8 x 10."""
    image = torch.arange(24.0).view(4, 6)
    box = F.pad(image, (1, 1, 2, 2), value=-9)
    padded = F.pad(box, (0, 2, 0, 0), value=-5)
    record = dict(
        img_shape=(8, 8), ori_shape=(4, 6), letterbox=(2, 1, 4, 6), img_padding_size=(0, 2, 0, 0)
    )
    assert torch.equal(to_original(padded, record), image)
    assert torch.equal(without_padding(padded, record), box)


@pytest.mark.parametrize('shape', [(30, 40), (40, 30), (33, 65), (1, 50)])
@pytest.mark.parametrize('centred', [True, False])
@pytest.mark.parametrize('rounding', ['floor', 'round'])
def test_truth_2_a_letterboxed_mask_comes_back(shape, centred, rounding):
    """Perfect logits of a letterboxed image score 100 at the original size, or nearly."""
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2 + 1, shape[1] // 3 :] = 1
    results = dict(img=np.zeros((*shape, 3), np.uint8), gt_seg_map=mask, ori_shape=shape)
    box = Letterbox((64, 48), centred=centred, rounding=rounding)(results)
    logits = torch.from_numpy(box['gt_seg_map']).float() * 2 - 1
    back = to_original(logits, box) > 0
    truth = torch.from_numpy(mask).bool()
    iou = (back & truth).sum() / (back | truth).sum()
    assert iou > 0.9
    assert box['img_shape'] == (48, 64)


def test_between_two_inputs():
    content = torch.full((4, 6), 0.75)
    first = dict(img_shape=(4, 6), ori_shape=(8, 12))
    second = dict(img_shape=(8, 8), ori_shape=(8, 12), letterbox=(1, 1, 4, 6))
    moved = to_other_input(content, first, second, fill=0.0)
    assert torch.equal(moved, F.pad(content, (1, 1, 1, 3)))
    assert torch.equal(to_other_input(moved, second, first, fill=0.0), content)


def test_no_record_is_an_error():
    with pytest.raises(DataError, match='does not say img_shape'):
        to_original(torch.zeros(4, 4), dict(ori_shape=(8, 8), img_path='a.jpg'))


def test_a_record_that_does_not_fit_is_an_error():
    with pytest.raises(DataError, match=r'a\.jpg are \(4, 4\), but its input was \(6, 6\)'):
        to_original(torch.zeros(4, 4), dict(img_shape=(6, 6), ori_shape=(8, 8), img_path='a.jpg'))
    with pytest.raises(DataError, match='letterbox .* does not fit'):
        to_original(
            torch.zeros(4, 4), dict(img_shape=(4, 4), ori_shape=(8, 8), letterbox=(2, 2, 4, 4))
        )
