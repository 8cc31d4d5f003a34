# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""P2P and P2T against their formulas (docs/methods/magnet.md), pixel by pixel in float64."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from magnet_mm.models.losses import pixel_to_pixel_loss, pixel_to_text_loss, sample_pixels
from magnet_mm.models.losses.pixel_contrast import LogSumExpOfProducts


def unit(vector):
    return vector / torch.sqrt((vector * vector).sum())


def contrast_by_loops(embedding, foreground, temperature, partner):
    """One image: ``partner(i, k)`` is the dot product in the k-th negative's exponent."""
    pixels = [unit(e) for e in embedding]
    inside = [i for i, f in enumerate(foreground) if f]
    outside = [i for i, f in enumerate(foreground) if not f]
    if not inside or not outside:
        return embedding.sum() * 0
    anchor, negative = partner(pixels, inside)
    total = 0
    for i in inside:
        positive = torch.exp((pixels[i] * anchor).sum() / temperature)
        others = sum(torch.exp(negative(i, k) / temperature) for k in outside)
        total = total - torch.log(positive / (positive + others))
    return total / len(inside)


def p2p_by_loops(embedding, foreground, temperature):
    def partner(pixels, inside):
        prototype = unit(sum(pixels[i] for i in inside) / len(inside))
        return prototype, lambda i, k: (pixels[i] * pixels[k]).sum()

    images = [
        contrast_by_loops(e, f, temperature, partner)
        for e, f in zip(embedding, foreground, strict=True)
    ]
    return sum(images) / len(images)


def p2t_by_loops(embedding, foreground, sentence, temperature):
    images = []
    for e, f, s in zip(embedding, foreground, sentence, strict=True):

        def partner(pixels, inside, text=s):
            return unit(text), lambda i, k: (pixels[k] * unit(text)).sum()

        images.append(contrast_by_loops(e, f, temperature, partner))
    return sum(images) / len(images)


@pytest.fixture
def batch():
    """Embedding [3, 7, 4], masks with 3, 1 and 0 foreground pixels, sentence [3, 4]."""
    embedding = torch.randn(3, 7, 4, dtype=torch.float64)
    foreground = torch.tensor(
        [[1, 0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7], dtype=torch.bool
    )
    return embedding, foreground, torch.randn(3, 4, dtype=torch.float64)


@pytest.mark.parametrize('temperature', [0.1, 0.3, 1.0])
def test_p2p(batch, temperature):
    embedding, foreground, _ = batch
    ours_in = embedding.float().requires_grad_()
    loop_in = embedding.clone().requires_grad_()
    ours = pixel_to_pixel_loss(ours_in, foreground, temperature)
    loops = p2p_by_loops(loop_in, foreground, temperature)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(loops.item(), rel=1e-5)
    ours.backward()
    loops.backward()
    torch.testing.assert_close(ours_in.grad.double(), loop_in.grad, rtol=1e-4, atol=1e-6)
    assert loop_in.grad[:2].abs().min() > 0  # every pixel of an image with an object counts
    assert ours_in.grad[2].abs().max() == 0


@pytest.mark.parametrize('temperature', [0.1, 0.3, 1.0])
def test_p2t(batch, temperature):
    embedding, foreground, sentence = batch
    ours_in = [embedding.float().requires_grad_(), sentence.float().requires_grad_()]
    loop_in = [embedding.clone().requires_grad_(), sentence.clone().requires_grad_()]
    ours = pixel_to_text_loss(ours_in[0], foreground, ours_in[1], temperature)
    loops = p2t_by_loops(loop_in[0], foreground, loop_in[1], temperature)
    assert ours.item() == pytest.approx(loops.item(), rel=1e-5)
    ours.backward()
    loops.backward()
    for a, b in zip(ours_in, loop_in, strict=True):
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=1e-4, atol=1e-6)


def test_by_hand():
    """One object pixel, one background pixel at a right angle, temperature 1.

    P2P: -log(e / (e + 1)); P2T with the sentence along the background: -log(1 / (1 + e)).
    """
    embedding = torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])
    foreground = torch.tensor([[True, False]])
    p2p = pixel_to_pixel_loss(embedding, foreground, 1.0)
    assert p2p.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)
    p2t = pixel_to_text_loss(embedding, foreground, torch.tensor([[0.0, 3.0]]), 1.0)
    assert p2t.item() == pytest.approx(math.log(1 + math.e), rel=1e-6)


@pytest.mark.parametrize('fill', [True, False])
def test_images_without_object_or_background_add_nothing(fill):
    embedding = torch.randn(1, 5, 3, requires_grad=True)
    foreground = torch.full((1, 5), fill)
    loss = pixel_to_pixel_loss(embedding, foreground, 0.1) + pixel_to_text_loss(
        embedding, foreground, torch.randn(1, 3), 0.3
    )
    loss.backward()
    assert loss.item() == 0
    assert embedding.grad.abs().max() == 0  # and no NaN


def test_sampling_is_unbiased_in_size_and_membership():
    mask = torch.zeros(2, 100, dtype=torch.bool)
    mask[0, 10:60] = True
    mask[1, 3] = True
    indices, valid = sample_pixels(mask, 20)
    assert indices.shape == valid.shape == (2, 20)
    assert valid[0].all() and len(set(indices[0].tolist())) == 20
    assert all(10 <= i < 60 for i in indices[0].tolist())
    assert valid[1].sum() == 1 and indices[1][valid[1]].tolist() == [3]


def test_subsampled_p2p_uses_the_prototype_of_all_pixels():
    """With one background pixel, all anchors equal: sampling changes nothing."""
    embedding = torch.tensor([[1.0, 0.0]] * 6 + [[0.0, 1.0]]).unsqueeze(0)
    foreground = torch.tensor([[True] * 6 + [False]])
    full = pixel_to_pixel_loss(embedding, foreground, 0.5)
    sampled = pixel_to_pixel_loss(embedding, foreground, 0.5, max_foreground=2)
    assert sampled.item() == pytest.approx(full.item(), rel=1e-6)
    assert full.item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)


# ---- products in chunks -------------------------------------------------------------------------


@pytest.mark.parametrize('numbers', [1, 30, 10**6])
def test_chunks_equal_the_whole(numbers, monkeypatch):
    monkeypatch.setattr(LogSumExpOfProducts, 'chunk_numbers', numbers)
    anchors, others = (
        torch.randn(2, size, 3, dtype=torch.float64, requires_grad=True) for size in (5, 7)
    )
    valid = torch.rand(2, 7) < 0.7
    whole = (anchors @ others.transpose(1, 2)).masked_fill(~valid.unsqueeze(1), -1e4).logsumexp(-1)
    ours = LogSumExpOfProducts.apply(anchors, others, valid)
    torch.testing.assert_close(ours, whole)
    upstream = torch.randn_like(whole)
    for gradient, expected in zip(
        torch.autograd.grad(ours, (anchors, others), upstream),
        torch.autograd.grad(whole, (anchors, others), upstream),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected)


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation returned."""

    largest = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        return result


def test_no_matrix_of_all_pairs_in_memory(monkeypatch):
    monkeypatch.setattr(LogSumExpOfProducts, 'chunk_numbers', 4000)
    embedding = torch.randn(2, 400, 4, requires_grad=True)
    foreground = torch.arange(400).expand(2, -1) < 180
    with LargestTensor() as mode:
        pixel_to_pixel_loss(embedding, foreground, 0.1, 180, 220).backward()
    assert embedding.grad.abs().max() > 0
    assert 400 * 4 * 2 <= mode.largest <= 4000 < 180 * 220
