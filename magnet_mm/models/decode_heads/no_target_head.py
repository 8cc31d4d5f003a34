# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Whether anything is meant at all: a plug-in for methods whose decode head always finds something.

``B`` batch, ``C`` channels, ``D`` sentence, ``S`` stages read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.targets import no_targets
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class NoTargetHead(BaseModule):
    """Answers "nothing in this picture is meant" from the sentence and pooled fused features.

    ``u_i = W_i F_i * W_s s`` for every stage but the finest; the mean and the maximum of ``u_i``
    over the pixels and the sentence go through two layers to one logit. A maximum sees whether the
    sentence fits anywhere. Its gradient reaches the encoder. All of it is our choice
    (docs/no_target.md).

    Args:
        visual_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        text_channels: width ``D`` of the words, filled in by the segmentor.
        channels: ``C``.
        loss_weight: of the binary cross-entropy.
    """

    derived_arguments = ('visual_channels', 'text_channels')

    def __init__(
        self,
        visual_channels: Sequence[int],
        text_channels: int,
        channels: int = 256,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        stages = visual_channels[1:]
        self.project = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in stages)
        self.sentence = nn.Linear(text_channels, channels)
        width = (2 * len(stages) + 1) * channels
        self.answer = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, 1)
        )
        self.loss_weight = loss_weight

    def forward(self, features: CrossModalFeatures) -> Tensor:
        """Logits ``[B]``; positive where nothing is meant."""
        sentence = self.sentence(features.sentence())
        pooled = [sentence]
        for project, visual in zip(self.project, features.visual[1:], strict=True):
            fits = project(visual).flatten(2) * sentence.unsqueeze(-1)
            pooled += [fits.mean(-1), fits.amax(-1)]
        return self.answer(torch.cat(pooled, dim=1)).squeeze(1)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_no_target``: binary cross-entropy against what the samples say."""
        logits = self(features).float()
        target = no_targets(batch_data_samples).to(logits)
        loss = F.binary_cross_entropy_with_logits(logits, target)
        return {'loss_no_target': self.loss_weight * loss}
