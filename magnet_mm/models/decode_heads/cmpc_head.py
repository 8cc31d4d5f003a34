# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CMPC: entities first, then their relations; levels that exchange (docs/methods/cmpc.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.decode_heads.level_sequence_head import LevelMaps, LevelSequenceHead
from magnet_mm.models.layers.joint_norm import JointLayerNorm
from magnet_mm.models.layers.masked_softmax import masked_softmax
from magnet_mm.structures import CrossModalFeatures

LEVELS = ('c3', 'c4', 'c5')


class RelationGraph(nn.Module):
    """Cells pass messages to the cells that the relational words join them with.

    Args:
        channels: of map and messages.
        text_channels: of the words.
    """

    def __init__(self, channels: int, text_channels: int) -> None:
        super().__init__()
        self.cell = nn.Linear(channels, channels)
        self.word = nn.Linear(text_channels, channels)
        self.norm = JointLayerNorm(channels)
        self.update = nn.Linear(channels, channels)
        self.update_norm = JointLayerNorm(channels)

    def attend(
        self, cells: Tensor, words: Tensor, relation: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Softmax of the affinity over the words, and over the cells, ``[B, N, T]`` each.

        The probability of being a relation scales the affinity before both [C]. A cell hears of
        the others through the words: the matrix between cells is the product of the two, which is
        never built.
        """
        affinity = self.cell(cells) @ self.word(words).transpose(1, 2)
        affinity = affinity * relation[:, None] / self.cell.out_features**0.5
        return masked_softmax(affinity, mask[:, None]), affinity.softmax(1)

    def forward(self, cells: Tensor, words: Tensor, relation: Tensor, mask: Tensor) -> Tensor:
        """Reason over the cells.

        Args:
            cells: ``X [B, N, C]``.
            words: ``[B, T, D]``.
            relation: ``[B, T]``, the words' probability of being a relation.
            mask: ``[B, T]``.

        Returns:
            ``[B, N, C]``, not normalised.
        """
        to_words, to_cells = self.attend(cells, words, relation, mask)
        messages = to_words @ (to_cells.transpose(1, 2) @ cells)
        cells = (cells + self.norm(messages)).relu()
        return self.update_norm(self.update(cells)).relu()


class TextGuidedExchange(nn.Module):
    """A level takes from two others what its own summary, guided by the sentence, lets through.

    Args:
        channels: of the maps.
        text_channels: of the sentence.
    """

    def __init__(self, channels: int, text_channels: int) -> None:
        super().__init__()
        self.key = nn.Linear(channels, channels)
        self.query = nn.Linear(text_channels, channels)
        self.summary = nn.Linear(channels + text_channels, channels)
        self.gates = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))
        self.values = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))

    def forward(self, own: Tensor, others: Sequence[Tensor], sentence: Tensor) -> Tensor:
        """Give maps ``[B, H, W, C]`` what they take; sentence ``[B, D]``. Not normalised."""
        cells = own.flatten(1, 2)
        scores = self.key(cells) @ self.query(sentence).unsqueeze(-1)  # [B, N, 1]
        weights = (scores / own.shape[-1] ** 0.5).softmax(1)
        pooled = (weights * cells).sum(1)
        summary = self.summary(torch.cat([pooled, sentence], -1))
        summary = F.normalize(summary, dim=-1, eps=1e-6)
        for other, value, gate in zip(others, self.values, self.gates, strict=True):
            own = own + value(other).relu() * gate(summary).sigmoid()[:, None, None]
        return own


@MODELS.register_module()
class CMPCHead(LevelSequenceHead):
    """Cross-modal progressive comprehension and text-guided feature exchange (CVPR 2020).

    Words are soft-typed as entity, attribute, relation or unnecessary. At every level entities
    and attributes are found by MUTAN, relations by a graph over the cells; the levels exchange
    twice and pass through a ConvLSTM. Every sample is computed as the released code computes its
    batch of one.

    Args:
        grid, channels, fused_channels, kernel_weight: see :class:`LevelSequenceHead`.
        type_channels: hidden width of the word types; 500 [C].
        final_weight, level_weight: 0.7 and 0.1 [C].
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        grid: Sequence[int],
        channels: int = 1000,
        fused_channels: int = 500,
        type_channels: int = 500,
        final_weight: float = 0.7,
        level_weight: float = 0.1,
        kernel_weight: float = 5e-4,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            text_channels,
            grid,
            LEVELS,
            channels,
            fused_channels,
            final_weight,
            level_weight,
            kernel_weight,
            init_cfg,
        )
        self.word_types = nn.Sequential(
            nn.Linear(text_channels, type_channels), nn.ReLU(), nn.Linear(type_channels, 4)
        )
        self.graphs = nn.ModuleDict(
            {name: RelationGraph(channels, text_channels) for name in LEVELS}
        )
        self.rounds = nn.ModuleList(
            nn.ModuleDict(
                {name: TextGuidedExchange(fused_channels, text_channels) for name in LEVELS}
            )
            for _ in range(2)
        )

    def fuse_levels(self, features: CrossModalFeatures) -> LevelMaps:
        """Progressive comprehension at every level, then two rounds of exchange."""
        mask = features.word_mask
        words = F.normalize(features.words, dim=-1, eps=1e-6)  # 0 at padding stays 0
        types = self.word_types(words).softmax(-1)
        entities = _weighted(words, types[..., :2].sum(-1))
        needed = _weighted(words, types[..., :3].sum(-1))
        fused = {}
        for name, index in self.level_indices.items():
            multimodal = self.inputs[name](features.visual[index], entities)
            cells = multimodal.flatten(1, 2)
            graph = self.graphs[name](cells, words, types[..., 2], mask)
            reasoned = F.normalize(graph, dim=-1, eps=1e-6).view_as(multimodal)
            fused[name] = self.outputs[name](multimodal, reasoned, entities)
        maps = fused
        for exchange in self.rounds:  # all levels read the maps of the round before
            maps = {
                name: F.normalize(
                    exchange[name](maps[name], [maps[n] for n in LEVELS if n != name], needed),
                    dim=-1,
                    eps=1e-6,
                )
                for name in LEVELS
            }
        return LevelMaps(fused, [maps[name] for name in LEVELS])


def _weighted(words: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of words ``[B, T, D]``, of length 1."""
    return F.normalize((words * weights.unsqueeze(-1)).sum(1), dim=-1, eps=1e-6)
