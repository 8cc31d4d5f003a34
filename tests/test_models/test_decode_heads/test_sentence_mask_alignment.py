# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentence-mask alignment in both readings, against N masks written out."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from magnet_mm.models import SentenceMaskAlignment, SentencePixelAggregation

N, E, D, H, W = 5, 8, 6, 7, 9


class LargestTensor(TorchDispatchMode):
    """Remembers how many elements the largest result had."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def inputs(batch: int = 2):
    torch.manual_seed(2)
    return torch.randn(batch, N, E), torch.randn(batch, E, H, W), torch.randn(batch, D)


def build(kind: type) -> torch.nn.Module:
    module = kind(E, D)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module


def masks_by_hand(module, queries, pixels, sentence):
    """Weights [N], kernels [N, E] and mask logits [N, H, W] of one image."""
    text = module.sentence_project(sentence)
    scores = torch.stack([module.query_project(q) @ text / E**0.5 for q in queries])
    first, second, third = module.mask_embed.layers
    kernels = torch.stack([third(F.relu(second(F.relu(first(q))))) for q in queries])
    masks = torch.stack([torch.tensordot(kernel, pixels, 1) for kernel in kernels])
    return scores.softmax(0), kernels, masks


def test_reading_a_is_the_weighted_sum_of_masks():
    module = build(SentenceMaskAlignment)
    queries, pixels, sentence = inputs()
    logits = module(queries, pixels, sentence)
    assert logits.shape == (2, 2, H, W)
    assert logits[:, 0].abs().max() == 0
    for image in range(2):
        weights, _, masks = masks_by_hand(module, queries[image], pixels[image], sentence[image])
        assert weights.sum().item() == pytest.approx(1, abs=1e-6)
        expected = sum(w * mask for w, mask in zip(weights, masks, strict=True))
        torch.testing.assert_close(logits[image, 1], expected, rtol=1e-4, atol=1e-5)


def test_reading_b_carries_the_masks_back_to_the_pixels():
    module = build(SentencePixelAggregation)
    queries, pixels, sentence = inputs()
    logits = module(queries, pixels, sentence)
    for image in range(2):
        weights, kernels, masks = masks_by_hand(
            module, queries[image], pixels[image], sentence[image]
        )
        signal = sum(
            w * mask.sigmoid() * kernel[:, None, None]
            for w, mask, kernel in zip(weights, masks, kernels, strict=True)
        )
        expected = module.classify((pixels[image] + signal)[None])[0]
        torch.testing.assert_close(logits[image], expected, rtol=1e-4, atol=1e-5)


def test_cross_entropy_of_reading_a_is_binary():
    logits = build(SentenceMaskAlignment)(*inputs())
    target = torch.randint(2, (2, H, W))
    torch.testing.assert_close(
        F.cross_entropy(logits, target),
        F.binary_cross_entropy_with_logits(logits[:, 1], target.float()),
    )


def test_only_reading_b_builds_all_masks():
    """A keeps one kernel per image; the largest tensors are the pixels and the logits."""
    queries, pixels, sentence = torch.randn(1, 50, E), torch.randn(1, E, 20, 20), torch.randn(1, D)
    seen = {}
    for kind in (SentenceMaskAlignment, SentencePixelAggregation):
        with LargestTensor() as largest:
            kind(E, D)(queries, pixels, sentence)
        seen[kind] = largest.elements
    assert seen[SentenceMaskAlignment] <= E * 400
    assert seen[SentencePixelAggregation] >= 50 * 400


@pytest.mark.parametrize('kind', [SentenceMaskAlignment, SentencePixelAggregation])
def test_the_sentence_chooses_and_every_parameter_learns(kind):
    module = build(kind)
    queries, pixels, sentence = inputs()
    logits = module(queries, pixels, sentence)
    other = module(queries, pixels, sentence.flip(0))
    assert (logits - other).abs().max() > 1e-3
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, name


@pytest.mark.parametrize('kind', [SentenceMaskAlignment, SentencePixelAggregation])
def test_the_order_of_the_queries_does_not_matter(kind):
    module = build(kind)
    queries, pixels, sentence = inputs()
    shuffled = queries[:, torch.randperm(N)]
    torch.testing.assert_close(
        module(queries, pixels, sentence), module(shuffled, pixels, sentence), rtol=1e-4, atol=1e-5
    )
