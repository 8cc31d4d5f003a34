# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's head: the loss by hand, the balance, gradients, sizes that do not fit, plug-ins."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.errors import ConfigError
from magnet_mm.models import LTSHead, VLTHead
from magnet_mm.models.decode_heads.lts_locator import FilterLocator, TransformerLocator
from magnet_mm.models.decode_heads.vlt_mask_decoder import summed_cross_entropy
from magnet_mm.models.decode_heads.vlt_queries import QueryBalance
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (6, 8, 12)


def features(side=4, sentence=True):
    visual = tuple(
        torch.randn(2, c, s, s) for c, s in zip(CHANNELS, (2 * side, side, side // 2), strict=True)
    )
    vector = torch.randn(2, 5) if sentence else None
    return CrossModalFeatures(
        visual, TextFeatures(torch.randn(2, 3, 5), torch.ones(2, 3).long(), vector)
    )


def samples(soft=False, side=64):
    made = []
    for index in range(2):
        sample = SegDataSample(metainfo=dict(ref_id=index, img_path=f'{index}.jpg'))
        mask = torch.zeros(1, side, side)
        mask[:, 8 : 24 + 8 * index, 16:48] = 1
        sample.gt_sem_seg = PixelData(data=mask.to(torch.uint8))
        if soft:
            sample.gt_soft_seg = PixelData(data=mask * 0.5)
        made.append(sample)
    return made


def vlt(**changes):
    settings = dict(channels=8, num_queries=3, grid=(4, 4), transformer=dict(num_heads=2))
    return VLTHead(CHANNELS, 5, 5, **dict(settings, **changes))


def lts(**changes):
    return LTSHead(CHANNELS, 5, **dict(dict(channels=8), **changes))


def test_the_loss_is_a_sum_over_pixels_and_a_mean_over_images():
    """Logit 0 costs log 2 a pixel; targets are the upper left pixels of 2 x 2."""
    logits = torch.zeros(2, 1, 2, 2)
    targets = torch.zeros(2, 1, 4, 4)
    assert summed_cross_entropy(logits, targets).item() == pytest.approx(4 * math.log(2))
    targets[0, 0, 0, 2] = 1.0  # an even pixel: read
    targets[0, 0, 1, 1] = 1.0  # odd: not read
    logits = torch.full((2, 1, 2, 2), 1.0)
    expected = (8 * math.log(1 + math.e) - 1.0) / 2
    assert summed_cross_entropy(logits, targets).item() == pytest.approx(expected)


def test_soft_masks_are_targets():
    head = vlt().eval()
    given = features()
    with torch.no_grad():
        logits = head(given).masks
        loss = head.loss(given, samples(soft=True))['loss_mask']
        targets = torch.stack([0.5 * sample.gt_sem_seg.data for sample in samples()])
    torch.testing.assert_close(loss, summed_cross_entropy(logits, targets))
    assert logits.shape == (2, 1, 32, 32) and given.pixel_embedding.shape == (2, 8, 32, 32)


def test_the_balance_scales_what_was_found():
    balance = QueryBalance(4)
    found, queries = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    hidden = torch.cat([balance.found(found), balance.query(queries)], -1)
    confidence = torch.sigmoid(balance.confidence[1](balance.confidence[0](hidden)))
    torch.testing.assert_close(balance(found, queries), confidence * found)
    assert confidence.shape == (1, 3, 1)


@pytest.mark.parametrize(
    'build',
    [vlt, lts, lambda: lts(locate='transformer', locator=dict(num_heads=2))],
    ids=['vlt', 'lts_filter', 'lts_transformer'],
)
def test_every_parameter_gets_a_gradient(build):
    head = build().train()
    sum(head.loss(features(), samples()).values()).backward()
    silent = [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    # A key's bias is the same for all keys; with ReLU it is not, but small heads may be shut.
    assert len(silent) <= 0.1 * len(list(head.parameters())), silent
    assert all(p.grad is not None for p in head.parameters())


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ConfigError, match='set decode_head.grid'):
        vlt()(features(side=6))


def test_a_text_encoder_without_a_sentence_is_refused():
    with pytest.raises(ConfigError, match='own'):
        vlt()(features(sentence=False))


def test_the_rule_is_the_released_one():
    assert vlt().foreground.threshold == 0.35 and not vlt().foreground.align_corners
    assert lts().foreground.threshold == 0.5


def test_lts_filter_by_hand():
    """An inner product over the root of the width, and a bias, both made of the sentence."""
    locator = FilterLocator(4, 3)
    x, sentence = torch.randn(2, 4, 2, 3), torch.randn(2, 3)
    made = locator.filter(sentence)
    expected = torch.einsum('bchw,bc->bhw', x, made[:, :4]) / 2 + made[:, 4, None, None]
    torch.testing.assert_close(locator(x, sentence)[:, 0], expected)


def test_lts_transformer_gives_a_place():
    locator = TransformerLocator(8, 3, num_heads=2).eval()
    x = torch.randn(2, 8, 4, 6)
    places = locator(x, torch.randn(2, 3))
    assert places.shape == (2, 1, 4, 6)
    with pytest.raises(ConfigError, match='filter or transformer'):
        lts(locate='both')


def test_lts_weighs_the_place_as_its_pixels():
    """Logits 0: each of the 32 x 32 logits costs log 2, and so does the place in all."""
    head = lts(location_weight=0.5).eval()
    for layer in (head.locator.filter, head.mask_decoder.logits):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        losses = head.loss(features(), samples())
    assert losses['loss_mask'].item() == pytest.approx(1024 * math.log(2), rel=1e-5)
    assert losses['loss_location'].item() == pytest.approx(512 * math.log(2), rel=1e-5)


@pytest.mark.parametrize('name', ['vlt_tiny_refshapes', 'lts_tiny_refshapes'])
def test_mask_grounding_says_why_not(name, build_model, tmp_path):
    """The one line of the plug-in: the GRU's words are not as wide as the word vectors."""
    leaf = tmp_path / 'leaf.py'
    configs = Path(__file__).resolve().parents[3] / 'configs'
    leaf.write_text(
        f'_base_ = ["{configs}/{name}.py", "{configs}/_base_/plugins/mask_grounding.py"]\n'
        'model = dict(auxiliary_head=[_base_.mask_grounding_head])\n'
    )
    model = Config.fromfile(str(leaf)).model
    model.backbone.text.update(channels=32)
    with pytest.raises(ConfigError, match="whose width 64 is not the text encoder's 32"):
        build_model(model)


def test_mask_grounding_trains_where_the_widths_are_equal(build_model, make_samples):
    """Words and word vectors of 64: the plug-in is one head; <unk>, id 3, stands for the mask."""
    configs = Path(__file__).resolve().parents[3] / 'configs'
    model = Config.fromfile(str(configs / 'vlt_tiny_refshapes.py')).model
    plugin = Config.fromfile(str(configs / '_base_/plugins/mask_grounding.py')).mask_grounding_head
    plugin.update(mask_token_id=3, num_layers=1, num_heads=4, ffn_channels=32, corruption=0.5)
    model.update(auxiliary_head=[plugin])
    model.backbone.text.update(vocabulary_size=200)
    images, made = make_samples(batch=2, size=96)
    losses = build_model(model).loss(images, made)
    assert losses['aux_0.loss_grounding'] > 0 and losses['decode.loss_mask'] > 0
