# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReLA's head; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.models.decode_heads import ReLAHead
from magnet_mm.models.decode_heads.rela_head import minimap_target
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (8, 16, 24, 32)


@pytest.fixture
def head() -> ReLAHead:
    torch.manual_seed(0)
    head = ReLAHead(
        CHANNELS, text_channels=12, grid=4, channels=32, num_heads=2, encoder_layers=1,
        decoder_layers=2, ffn_channels=(32, 32),
        loss=dict(type='SynchronizedCrossEntropyLoss', class_weight=[0.9, 1.1],
                  avg_non_ignore=True),
    )  # fmt: skip
    head.init_weights()
    return head.double()  # masks block keys by their sign: in float32 rounding can flip one


def features(batch: int = 2) -> CrossModalFeatures:
    torch.manual_seed(1)
    sizes = ((16, 16), (8, 8), (4, 4), (2, 2))
    visual = tuple(
        torch.randn(batch, c, *s, dtype=torch.float64) for c, s in zip(CHANNELS, sizes, strict=True)
    )
    words = torch.randn(batch, 5, 12, dtype=torch.float64)
    return CrossModalFeatures(visual, TextFeatures(words, torch.ones(batch, 5)))


def samples(*filled: bool) -> list[SegDataSample]:
    out = []
    for has_target in filled:
        mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
        mask[:, 16:48, 8:40] = has_target
        out.append(SegDataSample(gt_sem_seg=PixelData(data=mask)))
    return out


def test_masks_and_the_answer_that_nothing_is_meant(head):
    prediction = head(features())
    assert prediction.masks.shape == (2, 2, 16, 16)
    assert prediction.no_target.shape == (2,)
    said = head.decode(features())
    target = torch.einsum('bqk,bqc->bkc', said.minimap, said.embedding)
    torch.testing.assert_close(
        prediction.masks, torch.einsum('bkc,bchw->bkhw', target, features_pixel(head))
    )
    difference = said.no_target[:, 1] - said.no_target[:, 0]
    torch.testing.assert_close(prediction.no_target, difference)


def features_pixel(head):
    inputs = features()
    head(inputs)
    return inputs.pixel_embedding


def test_words_enter_although_their_projection_starts_at_zero(head):
    """Released: with lang_proj = 0 the norm of the region itself is added all the same."""
    before = head(features()).masks
    head.language.weight.data.fill_(-100.0)  # closes what the words add
    assert (head(features()).masks - before).abs().max() > 1e-4


def test_minimap_target_wants_all_pixels_around_the_centre():
    mask = torch.zeros(1, 1, 8, 8)
    mask[0, 0, 1:3, 1:3] = 1  # exactly the four pixels around the first cell's centre
    mask[0, 0, 5, 5] = 1  # one of four around the last cell's
    assert minimap_target(mask, 2).tolist() == [[1, 0, 0, 0]]


def test_loss_terms_and_gradients(head):
    losses = head.loss(features(), samples(True, False))
    assert set(losses) == {'loss_mask', 'loss_minimap', 'loss_no_target'}
    sum(losses.values()).backward()
    silent = {n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()}
    assert silent == {
        'language.attention.in_proj_weight',  # lang_proj starts at zero, so the words are zero
        'language.attention.out_proj.weight',
        'pixel_decoder.level_encoding.weight',  # the offsets' matrices start at zero
    }


def test_loss_by_hand(head):
    """Weighted means: 5 CE of the masks, 0.5 of the others; the second sample has no target."""
    inputs = features()
    said = head.decode(inputs)
    losses = head.loss(inputs, samples(True, False))
    logits = said.no_target.detach().float()
    nll = -logits.log_softmax(1)
    expected = (0.9 * nll[0, 0] + 1.1 * nll[1, 1]) / 2.0
    torch.testing.assert_close(losses['loss_no_target'].detach(), 0.5 * expected.float())
