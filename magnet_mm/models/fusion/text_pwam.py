# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's text branch: every word gathers the pixels it speaks of (released code, methods 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.fusion.normalization import SequenceInstanceNorm


class TextPWAM(nn.Module):
    """PWAM with words as queries and pixels as keys.

    ``q = m (L W_q)``, ``K = IN(V W_k)``, ``U = IN(V W_u)``, ``A = softmax_HW(q K^T / sqrt(D))``,
    ``r = GELU((GELU(L W_m) * IN(A U W)) W_f)``. The last instance norm runs over all T tokens,
    padding included, as released [C]; sentences are therefore always padded to the same length.

    ``K`` and ``U`` are never computed. Instance norm and softmax leave of them
    ``q K^T ~ ((q / s_k) W_k) V_c^T`` and ``A U = ((A V_c) W_u) / s_u`` with the centred pixels
    ``V_c`` and the deviations ``s`` of ``V W``, which follow from the covariance of the pixels:
    one sixth of the operations at ``D = 768, C = 128``, and no ``[N, D]`` map.

    Args:
        text_channels: ``D``.
        visual_channels: ``C_i``.
        text_mask: ``binary`` multiplies the queries with the 0/1 mask, as meant. ``additive``
            repeats the released network, which passes BERT's additive mask (0 for words, -10000
            for padding) in its place, so that all real words receive the same vector [C].
    """

    def __init__(self, text_channels: int, visual_channels: int, text_mask: str = 'binary') -> None:
        super().__init__()
        if text_mask not in ('binary', 'additive'):
            raise ConfigError(f"text_mask is 'binary' or 'additive', not {text_mask!r}.")
        self.text_mask = text_mask
        self.text_project = nn.Linear(text_channels, text_channels)
        self.query = nn.Linear(text_channels, text_channels)
        self.key = nn.Linear(visual_channels, text_channels)
        self.value = nn.Linear(visual_channels, text_channels)
        self.out = nn.Linear(text_channels, text_channels)
        self.project = nn.Linear(text_channels, text_channels)
        self.norm = SequenceInstanceNorm()

    def forward(self, words: Tensor, word_mask: Tensor, pixels: Tensor) -> Tensor:
        """``[B, T, D]``, 0/1 ``[B, T]``, ``[B, N, C]`` to ``[B, T, D]``."""
        mask = word_mask.to(words.dtype).unsqueeze(-1)
        if self.text_mask == 'additive':
            mask = (1.0 - mask) * -10000.0
        centred, covariance = _centre(pixels)
        query = self.query(words) * mask * self._inverse_deviation(self.key, covariance)
        gathered = F.scaled_dot_product_attention(
            torch.matmul(query, self.key.weight).unsqueeze(1),
            centred.unsqueeze(1),
            centred.unsqueeze(1),
            scale=query.shape[-1] ** -0.5,
        ).squeeze(1)
        values = F.linear(gathered, self.value.weight)
        values = values * self._inverse_deviation(self.value, covariance)
        language = F.gelu(self.text_project(words))
        return F.gelu(self.project(language * self.norm(self.out(values))))

    def _inverse_deviation(self, layer: nn.Linear, covariance: Tensor) -> Tensor:
        """What the instance norm of ``layer(pixels)`` multiplies with, ``[B, 1, D]``.

        The bias cancels in the norm. It stays in the graph, with a gradient of zero, because
        DistributedDataParallel wants one of every parameter.
        """
        with torch.autocast(covariance.device.type, enabled=False):
            weight = layer.weight.to(covariance.dtype)
            variance = (torch.matmul(weight, covariance) * weight).sum(-1)
        scale = torch.rsqrt(variance + self.norm.eps).to(layer.weight.dtype)
        return (scale + (layer.bias - layer.bias)).unsqueeze(1)


def _centre(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels ``[B, N, C]`` minus their mean, and their covariance ``[B, C, C]``.

    The covariance is at least float32.
    """
    wide = pixels.float() if pixels.element_size() < 4 else pixels
    centred = wide - wide.mean(1, keepdim=True)
    with torch.autocast(pixels.device.type, enabled=False):
        covariance = torch.matmul(centred.transpose(1, 2), centred) / pixels.shape[1]
    return centred.to(pixels.dtype), covariance
