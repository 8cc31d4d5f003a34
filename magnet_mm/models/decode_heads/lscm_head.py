# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LSCM: words gather the image, propagate along the tree, distribute (docs/methods/lscm.md)."""

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

LEVELS = ('c5', 'c4', 'c3', 'c2')
SEQUENCE = ('c5', 'c4', 'c3', 'c2', 'c3', 'c4', 'c5')  # top-down, then bottom-up [C]
OTHER_WORDS = 0.1  # weight of two words that the tree does not join [C]


def chain_weights(mask: Tensor) -> Tensor:
    """Join every word with its neighbours: weights ``[1, T, T]`` without a tree (our choice)."""
    steps = torch.arange(mask.shape[1], device=mask.device)
    joined = (steps[:, None] - steps).abs() == 1
    weights = torch.where(joined, 1.0, OTHER_WORDS)
    return weights[None]


class WordGraph(nn.Module):
    """Gather, propagate, distribute.

    Args:
        channels: of the cells.
        text_channels: of the words.
    """

    def __init__(self, channels: int, text_channels: int) -> None:
        super().__init__()
        self.cell = nn.Linear(channels, channels)
        self.word = nn.Linear(text_channels, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.norm = JointLayerNorm(channels)
        self.update = nn.Linear(channels, channels)
        self.update_norm = JointLayerNorm(channels)

    def propagation(self, nodes: Tensor, mask: Tensor, tree: Tensor) -> Tensor:
        """Weights ``[B, T, T]`` of what a word hears of another; the tree's are not evened out."""
        scores = self.query(nodes) @ self.key(nodes).transpose(1, 2)
        return masked_softmax(scores / nodes.shape[-1] ** 0.5, mask[:, None]) * tree

    def gather(self, cells: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Softmax over the cells ``[B, N, T]``, and what each word gathers ``[B, T, C]``."""
        scores = self.cell(cells) @ self.word(words).transpose(1, 2)
        shares = (scores / cells.shape[-1] ** 0.5).softmax(1)
        return shares, F.normalize(shares.transpose(1, 2) @ cells, dim=-1, eps=1e-6)

    def reason(self, nodes: Tensor, mask: Tensor, tree: Tensor) -> Tensor:
        """Words ``[B, T, C]`` after one step along the tree; 0 at padding."""
        heard = self.propagation(nodes, mask, tree) @ nodes
        nodes = (nodes + self.norm(heard, mask)).relu()
        return self.update_norm(self.update(nodes), mask).relu()

    def forward(self, cells: Tensor, words: Tensor, mask: Tensor, tree: Tensor) -> Tensor:
        """Cells ``[B, N, C]`` and words ``[B, T, D]`` to ``[B, N, C]`` of length 1."""
        shares, nodes = self.gather(cells, words)
        return F.normalize(shares @ self.reason(nodes, mask, tree), dim=-1, eps=1e-6)


@MODELS.register_module()
class LSCMHead(LevelSequenceHead):
    """Linguistic structure guided context modelling (ECCV 2020).

    The words' tree comes with the batch (``text_graph``,
    :class:`~magnet_mm.datasets.tokenizers.trees.TreeTokenizer`). Without one, as in exported
    networks, neighbours are joined (:func:`chain_weights`). Every sample is computed as the
    released code computes its batch of one.

    Args:
        grid, channels, fused_channels, kernel_weight: see :class:`LevelSequenceHead`.
        final_weight, level_weight: 0.6 and 0.1 [C].
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        grid: Sequence[int],
        channels: int = 1000,
        fused_channels: int = 500,
        final_weight: float = 0.6,
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
        self.graphs = nn.ModuleDict({name: WordGraph(channels, text_channels) for name in LEVELS})

    def fuse_levels(self, features: CrossModalFeatures) -> LevelMaps:
        """Words guide the context of every level."""
        mask, raw = features.word_mask, features.words
        tree = features.text.graph
        tree = chain_weights(mask) if tree is None else tree
        sentence = largest(raw, mask)
        words = F.normalize(raw, dim=-1, eps=1e-6)
        fused = {}
        for name, index in self.level_indices.items():
            multimodal = self.inputs[name](features.visual[index], sentence)
            cells = multimodal.flatten(1, 2)
            context = self.graphs[name](cells, words, mask, tree.to(cells.dtype))
            fused[name] = self.outputs[name](multimodal, context.view_as(multimodal), sentence)
        return LevelMaps(fused, [fused[name] for name in SEQUENCE])


def largest(words: Tensor, mask: Tensor) -> Tensor:
    """Largest value of the real words per channel ``[B, D]``, of length 1; 0 without a word."""
    kept = mask.bool().unsqueeze(-1)
    values = words.masked_fill(~kept, torch.finfo(words.dtype).min).amax(1)
    return F.normalize(values * kept.any(1), dim=-1, eps=1e-6)
