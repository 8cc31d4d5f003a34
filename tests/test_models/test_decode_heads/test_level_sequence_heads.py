# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CMPC's and LSCM's heads: a batch is its samples one by one; their values are in test_parity."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.errors import ConfigError
from magnet_mm.models.decode_heads import CMPCHead, LSCMHead
from magnet_mm.models.decode_heads.lscm_head import chain_weights, largest
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS, TEXT, GRID = (4, 6, 8, 10), 12, (3, 4)
LENGTHS = (2, 5, 0)


@pytest.fixture(params=[CMPCHead, LSCMHead])
def head(request):
    head = request.param(CHANNELS, TEXT, GRID, channels=16, fused_channels=8)
    head.init_weights()
    return head


def features(padding: str = 'front', count: int = 5) -> CrossModalFeatures:
    """Three sentences of 2, 5 and 0 words, the same whatever the padding."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(6, 8), GRID, GRID, GRID]
    visual = tuple(
        torch.randn(3, c, *s, generator=generator) for c, s in zip(CHANNELS, sizes, strict=True)
    )
    said = torch.randn(3, 5, TEXT, generator=generator)
    words, mask = torch.zeros(3, count, TEXT), torch.zeros(3, count, dtype=torch.long)
    for index, length in enumerate(LENGTHS):
        place = slice(count - length, count) if padding == 'front' else slice(0, length)
        words[index, place], mask[index, place] = said[index, :length], 1
    return CrossModalFeatures(visual, TextFeatures(words, mask))


def one(given: CrossModalFeatures, index: int) -> CrossModalFeatures:
    """A sample alone, without its padding."""
    real = given.word_mask[index].bool()
    words, mask = given.words[index, real][None], given.word_mask[index, real][None]
    visual = tuple(feature[index : index + 1] for feature in given.visual)
    return CrossModalFeatures(visual, TextFeatures(words, mask))


@torch.no_grad()
def test_a_batch_is_its_samples_one_by_one(head):
    given = features()
    logits = head(given).masks
    assert logits.shape == (3, 1, 24, 32)
    for index in range(2):
        torch.testing.assert_close(logits[index], head(one(given, index)).masks[0])
    torch.testing.assert_close(head(features('end', 9)).masks, logits)
    assert logits.isfinite().all()


def test_losses_and_gradients(head):
    samples = []
    for _ in range(3):
        sample = SegDataSample()
        mask = torch.zeros(1, 24, 32, dtype=torch.uint8)
        mask[:, 4:9, 5:20] = 1
        sample.gt_sem_seg = PixelData(data=mask)
        samples.append(sample)
    given = features()
    losses = head.loss(given, samples)
    logits = head(given).masks
    final = torch.nn.functional.softplus(logits).sum() - logits[:, :, 4:9, 5:20].sum()
    torch.testing.assert_close(losses['loss_final'], head.final_weight * final / 3)
    samples[0].gt_soft_seg = PixelData(data=torch.zeros(1, 24, 32))
    assert set(losses) == {
        'loss_final', 'loss_kernels', *(f'loss_{name}' for name in head.level_indices)
    }  # fmt: skip
    sum(losses.values()).backward()
    for name, value in head.named_parameters():
        assert value.grad.isfinite().all() and value.grad.abs().sum() > 0, name


def test_what_a_resized_mask_touches_is_foreground(head):
    sample = SegDataSample()
    soft = torch.zeros(1, 24, 32)
    soft[:, 4:9, 5:20] = 0.01
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 24, 32, dtype=torch.uint8))
    hard = SegDataSample()
    hard.gt_sem_seg = PixelData(data=(soft > 0).to(torch.uint8))
    sample.gt_soft_seg = PixelData(data=soft)
    given = one(features(), 1)
    with torch.no_grad():
        ours, expected = (head.loss(given, [one_])['loss_final'] for one_ in (sample, hard))
    assert ours == expected


def test_another_input_size_is_an_error(head):
    given = features()
    given.visual = tuple(feature[:, :, :2] for feature in given.visual)
    with pytest.raises(ConfigError, match=r'decode_head\.grid to an eighth'):
        head(given)


@torch.no_grad()
def test_lscm_reads_the_tree():
    head = LSCMHead(CHANNELS, TEXT, GRID, channels=16, fused_channels=8)
    given = features()
    plain = head(given).masks
    given.text.graph = chain_weights(given.word_mask)
    assert torch.equal(head(given).masks, plain)
    given.text.graph = torch.full((3, 5, 5), 0.1)
    assert not torch.allclose(head(given).masks[1], plain[1])


def test_lscm_sentence():
    words = torch.tensor([[[9.0, 9], [-3, 1], [0, -4]], [[1.0, 2], [3, 4], [5, 6]]])
    got = largest(words, torch.tensor([[0, 1, 1], [0, 0, 0]]))
    assert got.tolist() == [[0, 1], [0, 0]]  # (0, 1) of the real words
    weights = chain_weights(torch.ones(1, 3))[0]
    torch.testing.assert_close(weights, torch.tensor([[0.1, 1, 0.1], [1, 0.1, 1], [0.1, 1, 0.1]]))
