# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mask encoders: centres by hand, and what of the image the pooled one reads."""

import pytest
import torch
from mmseg.registry import MODELS

from magnet_mm.models.auxiliary_heads.mask_encoders import _average_under, mask_centres


def test_mask_centres_by_hand():
    masks = torch.zeros(4, 1, 4, 8)
    masks[0, 0, 1, 2] = 1  # one pixel
    masks[1, 0, 0:2, 0:4] = 1  # the upper left quarter
    masks[2, 0, 0, 0] = masks[2, 0, 3, 5] = 1  # two pixels, the centre between them
    expected = [[2.5 / 8, 1.5 / 4], [0.25, 0.25], [3.0 / 8, 0.5], [0.0, 0.0]]
    torch.testing.assert_close(mask_centres(masks), torch.tensor(expected))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_mask_centres_under_autocast(dtype):
    """230,400 pixels of 480x480 would overflow a float16 matrix product."""
    masks = torch.zeros(1, 1, 480, 480)
    masks[..., 3:] = 1
    with torch.autocast('cpu', dtype):
        centres = mask_centres(masks)
    assert centres.dtype == torch.float32
    torch.testing.assert_close(centres, torch.tensor([[483 / 960, 0.5]]))


def test_average_under_a_mask_by_hand():
    feature = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    masks = torch.zeros(1, 1, 4, 4)
    masks[0, 0, :2, :2] = 1  # all of the first cell
    masks[0, 0, 0, 2:] = 1  # half of the second
    expected = (1.0 * 1.0 + 0.5 * 3.0) / 1.5
    torch.testing.assert_close(_average_under(feature, masks), torch.tensor([[expected]]))
    assert _average_under(feature, torch.zeros_like(masks)).item() == 0


def visual_and_masks():
    torch.manual_seed(0)
    visual = (torch.randn(2, 8, 4, 4), torch.randn(2, 16, 2, 2))
    masks = torch.zeros(2, 1, 16, 16)
    masks[:, :, :8, :8] = 1
    return visual, masks


@pytest.mark.parametrize('name', ['CentreMaskEncoder', 'PooledMaskEncoder'])
def test_tokens_and_gradients(name):
    encoder = MODELS.build(dict(type=name, visual_channels=(8, 16), text_channels=12))
    visual, masks = visual_and_masks()
    tokens = encoder(visual, masks)
    assert tokens.shape == (2, 12)
    tokens.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_pooled_encoder_reads_every_stage_under_the_mask_alone():
    encoder = MODELS.build(
        dict(type='PooledMaskEncoder', visual_channels=(8, 16), text_channels=12)
    )
    visual, masks = visual_and_masks()
    with torch.no_grad():
        before = encoder(visual, masks)
        visual[0][:, :, 3, 3] += 5.0
        visual[1][:, :, 1, 1] += 5.0
        torch.testing.assert_close(encoder(visual, masks), before)
        for feature in visual:
            feature[:, ::2, 0, 0] += 5.0
            assert (encoder(visual, masks) - before).abs().min() > 1e-6
