# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The text PWAM of :mod:`magnet_mm.models.fusion.text_pwam`, computed in another order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet_mm.models.fusion.text_pwam import TextPWAM, no_autocast


class FastTextPWAM(TextPWAM):
    """The same numbers without keys and values of the pixels (our choice).

    Instance norm and softmax leave of them ``q K^T ~ ((q / s_k) W_k) V_c^T`` and
    ``A U = ((A V_c) W_u) / s_u`` with the centred pixels ``V_c`` and the deviations ``s`` of
    ``V W``, which follow from the covariance of the pixels: one sixth of the operations at
    ``D = 768, C = 128``, and no ``[N, D]`` map.
    """

    def attend(self, query: Tensor, pixels: Tensor) -> Tensor:
        """Gather ``A U [B, T, D]`` for the queries ``[B, T, D]``, in their dtype."""
        wide = pixels.float() if pixels.element_size() < 4 else pixels
        wide = wide - wide.mean(1, keepdim=True)
        with no_autocast(query):
            key_scale, value_scale = self._inverse_deviations(wide)
            centred = wide.to(query.dtype).unsqueeze(1)
            scaled = query * key_scale.to(query.dtype)
            gathered = F.scaled_dot_product_attention(
                torch.matmul(scaled, self.key.weight.to(query.dtype)).unsqueeze(1),
                centred,
                centred,
                scale=query.shape[-1] ** -0.5,
            ).squeeze(1)
            values = F.linear(gathered, self.value.weight.to(query.dtype))
            return values * value_scale.to(query.dtype)

    def _inverse_deviations(self, centred: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the instance norms of ``key(V)`` and ``value(V)`` multiply with.

        The variance of ``V w`` is ``w^T cov(V) w``; where the map has few pixels, projecting them
        is cheaper.

        Args:
            centred: pixels without their mean, ``[B, N, C]``, at least float32.

        Returns:
            ``[B, 1, D]`` each. The biases cancel in the norm; they stay in the graph, with a
            gradient of zero, because DistributedDataParallel wants one of every parameter.
        """
        layers = (self.key, self.value)
        weight = torch.cat([layer.weight for layer in layers]).to(centred.dtype)
        (_, pixels, channels), rows = centred.shape, weight.shape[0]
        if channels * (pixels + rows) < pixels * rows:
            covariance = torch.matmul(centred.transpose(1, 2), centred) / pixels
            variance = (torch.matmul(weight, covariance) * weight).sum(-1)
        else:
            variance = F.linear(centred, weight).square().mean(1)
        scales = torch.rsqrt(variance + self.norm.eps).unsqueeze(1)
        key, value = (
            scale + (layer.bias - layer.bias)
            for scale, layer in zip(scales.chunk(2, dim=-1), layers, strict=True)
        )
        return key, value
