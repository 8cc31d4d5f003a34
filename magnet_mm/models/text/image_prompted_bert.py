# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's text encoder: a BERT whose words also see five tokens made of the image.

Source: the released code [C], docs/methods/caris.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.text.stagewise_bert import StagewiseBert
from magnet_mm.structures import TextFeatures


class ImagePrompts(nn.Module):
    """Tokens of an image: learned ones, plus pooled cells of its coarsest map through an MLP [C].

    ``P = LN(table + W_out ReLU(W_in pool(F_4)))``, an MLP per grid.

    Args:
        visual_channels: channels of the map.
        text_channels: width ``D`` of the tokens.
        grids: sides of the grids of cells; 1 and 2, that is five tokens [C].
    """

    def __init__(
        self, visual_channels: int, text_channels: int, grids: Sequence[int] = (1, 2)
    ) -> None:
        super().__init__()
        self.grids = tuple(grids)
        self.number = sum(grid**2 for grid in grids)
        self.mlps = nn.ModuleList(
            nn.Sequential(
                nn.Linear(visual_channels, text_channels),
                nn.ReLU(),
                nn.Linear(text_channels, text_channels),
            )
            for _ in grids
        )
        self.table = nn.Embedding(self.number, text_channels)
        self.norm = nn.LayerNorm(text_channels)
        for layer in self.mlps.modules():
            if isinstance(layer, nn.Linear):  # [C]
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, feature: Tensor) -> Tensor:
        """``F_4 [B, C, H, W]`` to tokens ``[B, number, D]``, the coarse grid first, row by row."""
        cells = [
            mlp(F.adaptive_avg_pool2d(feature, grid).flatten(2).transpose(1, 2))
            for grid, mlp in zip(self.grids, self.mlps, strict=True)
        ]
        return self.norm(self.table.weight + torch.cat(cells, 1))


@MODELS.register_module()
class ImagePromptedBert(BaseModule):
    """BERT over the embedded words followed by :class:`ImagePrompts`; the words alone come out.

    The prompts have neither position nor token type, and nothing hides them, so words read the
    image in every layer. A sentence without a token sees the prompts and gives no NaN.

    Args:
        visual_channels: channels of ``F_1..F_4``, filled in by the encoder.
        grids: see :class:`ImagePrompts`.
        pretrained: hub name or local directory of the BERT; None starts from scratch.
        config: sizes of the BERT beside those of bert-base-uncased.
        frozen: submodules of the BERT that keep their weights, by name.
    """

    derived_arguments = ('visual_channels',)
    stagewise = False
    reads_image = True
    sentence_channels = None

    def __init__(
        self,
        visual_channels: Sequence[int],
        grids: Sequence[int] = (1, 2),
        pretrained: str | None = None,
        config: dict | None = None,
        frozen: Sequence[str] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        layers = (config or {}).get('num_hidden_layers', 12)
        self.bert = StagewiseBert((layers,), pretrained, config, frozen)
        self.channels = self.bert.channels
        self.vocabulary_size = self.bert.vocabulary_size
        self.prompts = ImagePrompts(visual_channels[-1], self.channels, grids)

    @property
    def word_embedding(self) -> Tensor:
        """Input embedding ``[vocabulary, D]``."""
        return self.bert.word_embedding

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, visual: Sequence[Tensor], **text: Tensor
    ) -> TextFeatures:
        """Encode ``[B, T]`` int64 ids and mask beside maps ``F_i [B, C_i, H_i, W_i]``."""
        embeddings = self.bert.embed(input_ids)
        prompts = self.prompts(visual[-1])
        tokens = torch.cat([embeddings, prompts.to(embeddings.dtype)], 1)
        mask = F.pad(attention_mask, (0, self.prompts.number), value=1)
        tokens = self.bert.stage(0, tokens, self.bert.additive_mask(mask))
        words = tokens[:, : input_ids.shape[1]]
        return TextFeatures(words, attention_mask, embeddings=embeddings)
