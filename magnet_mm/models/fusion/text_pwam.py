# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's text branch: every word gathers the pixels it speaks of (docs/methods/magnet.md)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.layers.normalization import SequenceInstanceNorm


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
        wide = pixels.float() if pixels.element_size() < 4 else pixels
        wide = wide - wide.mean(1, keepdim=True)
        key_scale, value_scale = self._inverse_deviations(wide)
        centred = wide.to(pixels.dtype)
        query = self.query(words) * mask * key_scale
        gathered = F.scaled_dot_product_attention(
            torch.matmul(query, self.key.weight).unsqueeze(1),
            centred.unsqueeze(1),
            centred.unsqueeze(1),
            scale=query.shape[-1] ** -0.5,
        ).squeeze(1)
        values = F.linear(gathered, self.value.weight) * value_scale
        language = F.gelu(self.text_project(words))
        return F.gelu(self.project(language * self.norm(self.out(values))))

    def _inverse_deviations(self, centred: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the instance norms of ``key(V)`` and ``value(V)`` multiply with.

        At least float32. The variance of ``V w`` is ``w^T cov(V) w``; where the map has few pixels,
        projecting them is cheaper.

        Args:
            centred: pixels without their mean, ``[B, N, C]``.

        Returns:
            ``[B, 1, D]`` each. The biases cancel in the norm; they stay in the graph, with a
            gradient of zero, because DistributedDataParallel wants one of every parameter.
        """
        layers = (self.key, self.value)
        weight = torch.cat([layer.weight for layer in layers]).to(centred.dtype)
        (_, pixels, channels), rows = centred.shape, weight.shape[0]
        # Operations are counted on the meta device, which has no autocast of its own.
        device = 'cpu' if centred.is_meta else centred.device.type
        with torch.autocast(device, enabled=False):
            if channels * (pixels + rows) < pixels * rows:
                covariance = torch.matmul(centred.transpose(1, 2), centred) / pixels
                variance = (torch.matmul(weight, covariance) * weight).sum(-1)
            else:
                variance = F.linear(centred, weight).square().mean(1)
            scales = torch.rsqrt(variance + self.norm.eps).unsqueeze(1)
        key, value = (
            scale.to(layer.weight.dtype) + (layer.bias - layer.bias)
            for scale, layer in zip(scales.chunk(2, dim=-1), layers, strict=True)
        )
        return key, value
