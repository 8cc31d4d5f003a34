# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The one-query head against mmdet's Mask2FormerHead, and its masks and losses by hand."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.models.layers import SinePositionalEncoding

from magnet_mm.models import OneQueryMask2FormerHead
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (8, 12, 16, 20)
LOSS_MASK = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, reduction='mean', loss_weight=5.0)
LOSS_DICE = dict(
    type='mmdet.DiceLoss', use_sigmoid=True, activate=True, naive_dice=True, eps=1.0,
    loss_weight=5.0,
)  # fmt: skip


def build(**kwargs) -> OneQueryMask2FormerHead:
    sizes = dict(
        channels=32,
        num_heads=4,
        encoder_layers=1,
        encoder_ffn_channels=48,
        decoder_layers=4,
        decoder_ffn_channels=48,
    )
    head = OneQueryMask2FormerHead(CHANNELS, **(sizes | kwargs))
    head.init_weights()
    return head


def features_of(shapes=((16, 16), (8, 8), (4, 4), (2, 2)), batch: int = 2) -> CrossModalFeatures:
    visual = tuple(
        torch.randn(batch, channels, *shape)
        for channels, shape in zip(CHANNELS, shapes, strict=True)
    )
    return CrossModalFeatures(visual, TextFeatures(torch.zeros(batch, 3, 4), torch.ones(batch, 3)))


def mmdet_masks(head: OneQueryMask2FormerHead, features: CrossModalFeatures) -> list[torch.Tensor]:
    """mmdet's own decoder loop over the head's modules, with a class head that says nothing."""
    theirs = SimpleNamespace(
        pixel_decoder=head.pixel_decoder,
        num_transformer_feat_level=3,
        num_transformer_decoder_layers=len(head.transformer_decoder.layers),
        decoder_input_projs=[torch.nn.Identity()] * 3,
        level_embed=head.level_embed,
        decoder_positional_encoding=SinePositionalEncoding(num_feats=16, normalize=True),
        query_feat=head.query_feat,
        query_embed=head.query_embed,
        transformer_decoder=head.transformer_decoder,
        cls_embed=torch.nn.Identity(),
        mask_embed=head.mask_embed,
        num_heads=head.num_heads,
    )
    theirs._forward_head = functools.partial(Mask2FormerHead._forward_head, theirs)
    return Mask2FormerHead.forward(theirs, list(features.visual), [])[1]


@pytest.mark.parametrize(
    'shapes',
    [((16, 16), (8, 8), (4, 4), (2, 2)), ((13, 10), (7, 5), (4, 3), (2, 2))],
    ids=['square', 'odd'],
)
def test_masks_equal_mmdet(shapes):
    head = build().eval()
    features = features_of(shapes)
    with torch.no_grad():
        ours, theirs = head.decode(features), mmdet_masks(head, features)
    assert len(ours) == len(theirs) == 5
    for mask, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mask, expected, rtol=1e-4, atol=1e-4)
    # The layers do something: the outputs are not all the same.
    assert (ours[0] - ours[-1]).abs().max() > 0.1


def test_outputs():
    head = build(decoder_layers=3).eval()
    features = features_of()
    masks = head.decode(features)
    assert [tuple(mask.shape) for mask in masks] == [(2, 1, 16, 16)] * 4  # raw query + 3 layers
    assert features.pixel_embedding.shape == (2, 32, 16, 16)
    torch.testing.assert_close(head(features).masks, masks[-1], rtol=1e-4, atol=1e-5)
    # The first mask is the raw query on the pixel embedding that the auxiliary heads see.
    kernel = head.mask_embed(head.transformer_decoder.post_norm(head.query_feat.weight))[0]
    expected = (features.pixel_embedding * kernel[None, :, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(masks[0], expected, rtol=1e-4, atol=1e-5)


def test_blocked_keys():
    head = build()
    masks = torch.tensor([[[[1.0, -1.0], [0.0, -2.0]]], [[[-1.0, -1.0], [-3.0, -0.1]]]])
    blocked = head._blocked(masks, (2, 2))
    assert blocked.shape == (2 * 4, 1, 4)
    # Image 0: sigmoid < 0.5, so a logit of exactly 0 stays open; the same for each of 4 heads.
    assert blocked[:4].tolist() == [[[False, True, False, True]]] * 4
    # Image 1: everything would be blocked, so nothing is.
    assert blocked[4:].tolist() == [[[False] * 4]] * 4


def test_blocked_keys_are_resized_without_aligned_corners():
    head = build()
    mask = torch.tensor([[[[4.0, 4.0, -1.0, -1.0]]]])  # cells of two pixels: 4 and -1
    assert head._blocked(mask, (1, 2))[0].tolist() == [[False, True]]
    # 2 -> 4 cells, centres at -0.25 (clamped), 0.25, 0.75, 1.25 of [3, -2]: 3, 1.75, -0.75, -2
    mask = torch.tensor([[[[3.0, -2.0]]]])
    assert head._blocked(mask, (1, 4))[0].tolist() == [[False, False, True, True]]


def test_blocked_keys_carry_no_gradient():
    mask = torch.randn(1, 1, 4, 4, requires_grad=True)
    assert not build()._blocked(mask, (2, 2)).requires_grad


def test_losses_of_every_output_by_hand(make_samples):
    head = build(decoder_layers=2, loss_mask=LOSS_MASK, loss_dice=LOSS_DICE).eval()
    features = features_of()
    _, samples = make_samples(batch=2, size=64)
    losses = head.loss(features, samples)
    assert list(losses) == [
        'd0.loss_mask', 'd0.loss_dice', 'd1.loss_mask', 'd1.loss_dice', 'loss_mask', 'loss_dice',
    ]  # fmt: skip
    masks = head.decode(features)
    target = stack_masks(samples)
    for mask, prefix in zip(masks, ['d0.', 'd1.', ''], strict=True):
        p = F.interpolate(mask, (64, 64), mode='bilinear', align_corners=True).sigmoid()
        cross_entropy = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
        overlap = (p * target).sum((1, 2, 3))
        total = p.sum((1, 2, 3)) + target.sum((1, 2, 3))
        dice = (1 - (2 * overlap + 1) / (total + 1)).mean()
        torch.testing.assert_close(losses[f'{prefix}loss_mask'], 5 * cross_entropy)
        torch.testing.assert_close(losses[f'{prefix}loss_dice'], 5 * dice)


def test_fewer_levels_in_the_encoder_leave_the_finest_to_a_convolution():
    """Mask2Former's own arrangement: the mask feature stays at stride 4, the memories are three."""
    head = build(encoder_levels=3)
    assert [len(head.pixel_decoder.lateral_convs), head.num_levels] == [1, 3]
    features = features_of()
    assert [mask.shape for mask in head.decode(features)] == [(2, 1, 16, 16)] * 5
    assert features.pixel_embedding.shape == (2, 32, 16, 16)


def test_what_the_segmentor_reads_off_the_head():
    head = build()
    assert (head.num_classes, head.out_channels, head.align_corners) == (1, 1, True)
    assert head.uses_words is False
    assert head.pixel_channels == 32


def test_sizes_of_the_decoder():
    head = build(num_heads=8, decoder_layers=9)
    layer = head.transformer_decoder.layers[-1]
    assert len(head.transformer_decoder.layers) == 9
    assert layer.cross_attn.attn.num_heads == layer.self_attn.attn.num_heads == 8
    assert layer.ffn.feedforward_channels == 48
    assert head.query_feat.weight.shape == (1, 32)
    assert head.level_embed.weight.shape == (3, 32)
    assert not any('cls' in name or 'class' in name for name, _ in head.named_parameters())
