# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Contrast of foreground pixels with background pixels (MagNet's CAL; docs/methods/magnet.md).

For an image with foreground ``P``, background ``N`` and unit-length pixel embeddings ``I``:

- ``P2P = -1/|P| sum_{i in P} log( e^{I_i.c/t} / (e^{I_i.c/t} + sum_{k in N} e^{I_i.I_k/t}) )``
  with the prototype ``c = normalize(mean_P I)``,
- ``P2T``: the same with the sentence ``s`` as partner: ``I_i.s`` and ``I_k.s``.

The paper's formulas were not readable; this prototype form is our choice. Images
without foreground or background add 0. Both are computed in float32, under autocast too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from magnet_mm.models.layers.precision import no_autocast

# Logits are at most 1 / temperature; this is minus infinity for them, without its NaN gradients.
_MASKED = -1e4


def _in_float32(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Switch autocast off inside a loss whose first argument is a tensor."""

    @functools.wraps(loss)
    def wrapped(embedding: Tensor, *args, **kwargs) -> Tensor:
        with no_autocast(embedding):
            return loss(embedding, *args, **kwargs)

    return wrapped


def sample_pixels(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draw up to ``count`` pixels of a mask per image, without replacement.

    Args:
        mask: bool ``[B, N]``.
        count: how many; every pixel is taken where the mask has no more than that.

    Returns:
        Indices int64 ``[B, n]`` with ``n = min(count, N)``, and bool ``[B, n]``, which of them lie
        in the mask.
    """
    keys = torch.rand(mask.shape, device=mask.device) + mask
    indices = keys.topk(min(count, mask.shape[1]), dim=1).indices
    return indices, mask.gather(1, indices)


def _contrast(positive: Tensor, negatives: Tensor, valid: Tensor, usable: Tensor) -> Tensor:
    """Mean over images of ``-log(e^p / (e^p + e^n))``, averaged over the valid pixels of each.

    Args:
        positive: logits ``[B, P]``.
        negatives: log-sum-exp over the background, ``[B, P]`` or ``[B, 1]``.
        valid: bool ``[B, P]``, real foreground pixels.
        usable: bool ``[B]``, images with foreground and background.
    """
    terms = F.softplus(negatives - positive) * valid
    per_image = terms.sum(1) / valid.sum(1).clamp(min=1)
    return (per_image * usable).mean()


class LogSumExpOfProducts(torch.autograd.Function):
    """``out[b, p] = log sum_n exp(anchors[b, p] . others[b, n])`` over the valid ``n``.

    The ``[P, N]`` products are made chunk by chunk, and once more in the backward pass, so that
    they never lie in memory together. The first argument is ``[B, P, E]``, the second
    ``[B, N, E]``, the third bool ``[B, N]``; products are at most ``1 / temperature``.
    """

    # Numbers in a chunk: 4 MB in float32, which a core's cache holds in part (our choice).
    chunk_numbers = 2**20

    @staticmethod
    def forward(ctx, anchors: Tensor, others: Tensor, valid: Tensor) -> Tensor:
        """``[B, P]``; see the class."""
        shift = torch.zeros(valid.shape, dtype=anchors.dtype, device=valid.device)
        shift = shift.masked_fill_(~valid, _MASKED).unsqueeze(1)
        out = torch.cat(
            [
                torch.baddbmm(shift, part, others.transpose(1, 2)).logsumexp(-1)
                for part in anchors.split(_chunk_length(anchors, others), dim=1)
            ],
            dim=1,
        )
        ctx.save_for_backward(anchors, others, shift, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of anchors and others."""
        anchors, others, shift, out = ctx.saved_tensors
        length = _chunk_length(anchors, others)
        grad_anchors, grad_others = [], torch.zeros_like(others)
        for part, total, upstream in zip(
            *(tensor.split(length, dim=1) for tensor in (anchors, out, grad)), strict=True
        ):
            shares = torch.baddbmm(shift, part, others.transpose(1, 2))
            shares.sub_(total.unsqueeze(-1)).exp_().mul_(upstream.unsqueeze(-1))
            grad_anchors.append(torch.bmm(shares, others))
            grad_others.baddbmm_(shares.transpose(1, 2), part)
        return torch.cat(grad_anchors, dim=1), grad_others, None


def _chunk_length(anchors: Tensor, others: Tensor) -> int:
    """Anchors per chunk."""
    return max(1, LogSumExpOfProducts.chunk_numbers // (anchors.shape[0] * others.shape[1]))


@_in_float32
def pixel_to_pixel_loss(
    embedding: Tensor,
    foreground: Tensor,
    temperature: float,
    max_foreground: int = 1024,
    max_background: int = 4096,
) -> Tensor:
    """P2P of the module docstring.

    Args:
        embedding: ``[B, N, E]``, not necessarily of unit length.
        foreground: bool ``[B, N]``.
        temperature: ``t``.
        max_foreground: pixels of ``P`` drawn per image; the prototype always uses all of them.
        max_background: pixels of ``N`` drawn per image.

    Returns:
        Scalar float32.
    """
    unit = F.normalize(embedding.float(), dim=-1)
    inside = foreground.unsqueeze(-1)
    prototype = F.normalize((unit * inside).sum(1) / inside.sum(1).clamp(min=1), dim=-1)
    rows, row_valid = sample_pixels(foreground, max_foreground)
    columns, column_valid = sample_pixels(~foreground, max_background)
    anchors = unit.gather(1, rows.unsqueeze(-1).expand(-1, -1, unit.shape[-1]))
    others = unit.gather(1, columns.unsqueeze(-1).expand(-1, -1, unit.shape[-1]))
    anchors = anchors / temperature
    positive = torch.einsum('bpe,be->bp', anchors, prototype)
    negatives = LogSumExpOfProducts.apply(anchors, others, column_valid)
    usable = foreground.any(1) & ~foreground.all(1)
    return _contrast(positive, negatives, row_valid, usable)


@_in_float32
def pixel_to_text_loss(
    embedding: Tensor, foreground: Tensor, sentence: Tensor, temperature: float
) -> Tensor:
    """P2T of the module docstring, over all pixels.

    Args:
        embedding: ``[B, N, E]``, not necessarily of unit length.
        foreground: bool ``[B, N]``.
        sentence: ``[B, E]``, not necessarily of unit length.
        temperature: ``t``.

    Returns:
        Scalar float32.
    """
    unit = F.normalize(embedding.float(), dim=-1)
    text = F.normalize(sentence.float(), dim=-1)
    logits = torch.einsum('bne,be->bn', unit, text) / temperature
    negatives = logits.masked_fill(foreground, _MASKED).logsumexp(1, keepdim=True)
    usable = foreground.any(1) & ~foreground.all(1)
    return _contrast(logits, negatives, foreground, usable)
