# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentence-mask alignment of CoupAlign (SMA; NeurIPS 2022, sec. 3.3; docs/methods/coupalign.md).

Established is the order: the sentence weights the ``N`` mask embeddings, and the weighted mask
signals are projected back to the pixels. Two readings of it, as two modules; the weights are

``w = softmax_N( (Q_o W_q) . (L_g W_l) / sqrt(E) )``, and the masks ``Z_n = <MLP_3(Q_o)_n, Y>``.
"""

from __future__ import annotations

import torch
from mmdet.models.layers import MLP
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn


class _SentenceWeightedMasks(BaseModule):
    """Weights and kernels of the masks, which both readings share.

    Args:
        channels: width ``E`` of mask embeddings and pixel embedding.
        text_channels: ``D``.
    """

    def __init__(self, channels: int, text_channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        # A bias would add the same to all masks, which the softmax takes away again.
        self.query_project = nn.Linear(channels, channels, bias=False)
        self.sentence_project = nn.Linear(text_channels, channels)
        self.mask_embed = MLP(channels, channels, channels, 3)

    def weigh(self, queries: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """Weights ``w [B, N]``, which add up to 1, and kernels ``MLP_3(Q_o) [B, N, E]``."""
        query = self.query_project(queries)
        affinity = torch.einsum('bne,be->bn', query, self.sentence_project(sentence))
        return (affinity * query.shape[-1] ** -0.5).softmax(1), self.mask_embed(queries)


@MODELS.register_module()
class SentenceMaskAlignment(_SentenceWeightedMasks):
    """Reading A (our default): the logit of the object is the weighted sum of the mask logits.

    ``z = sum_n w_n Z_n = < sum_n w_n MLP_3(Q_o)_n, Y >``: the ``N`` masks need not exist, one
    kernel per image does. The logits are ``[0, z]``, so that a cross-entropy over two classes is
    the binary cross-entropy of ``z``.
    """

    def forward(self, queries: Tensor, pixels: Tensor, sentence: Tensor) -> Tensor:
        """Logits of background and object.

        Args:
            queries: mask embeddings ``Q_o [B, N, E]``.
            pixels: pixel embedding ``Y [B, E, H, W]``.
            sentence: ``L_g [B, D]``.

        Returns:
            ``[B, 2, H, W]``, the first channel zero.
        """
        weights, kernels = self.weigh(queries, sentence)
        kernel = torch.einsum('bn,bne->be', weights, kernels)
        logits = torch.einsum('be,behw->bhw', kernel, pixels)
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


@MODELS.register_module()
class SentencePixelAggregation(_SentenceWeightedMasks):
    """Reading B: the masks carry their embeddings back to the pixels they cover.

    ``Y' = Y + sum_n w_n sigmoid(Z_n) MLP_3(Q_o)_n`` and a 1x1 convolution to two classes. It is
    not linear in the masks, so all ``N`` of them are computed.
    """

    def __init__(self, channels: int, text_channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(channels, text_channels, init_cfg)
        self.classify = nn.Conv2d(channels, 2, 1)

    def forward(self, queries: Tensor, pixels: Tensor, sentence: Tensor) -> Tensor:
        """Logits ``[B, 2, H, W]``; see :meth:`SentenceMaskAlignment.forward`."""
        weights, kernels = self.weigh(queries, sentence)
        masks = torch.einsum('bne,behw->bnhw', kernels, pixels).sigmoid()
        signal = torch.einsum('bnhw,bne->behw', masks, weights.unsqueeze(-1) * kernels)
        return self.classify(pixels + signal)
