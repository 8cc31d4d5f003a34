# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A Hugging Face BERT whose layers run in groups, one group per visual stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor
from transformers import BertConfig, BertModel

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models.text.pretrained_bert import read_bert_weights


@MODELS.register_module()
class StagewiseBert(BaseModule):
    """BERT in groups of layers; building it reads no file, ``init_weights()`` loads the weights.

    Args:
        groups: number of layers run before each fusion. ``(3, 3, 3, 3)`` is MagNet's early fusion
            [C]; ``(12, 0, 0, 0)`` gives LAVT's finished sentence to all stages [C].
        pretrained: hub name or local directory for ``from_pretrained``; None starts from scratch.
        config: sizes of ``transformers.BertConfig``; its defaults are bert-base-uncased.
        frozen: submodules that keep their weights, by name; LAVT's released optimiser holds
            neither ``embeddings`` nor ``encoder.layer.10`` and ``encoder.layer.11`` [C]. Their
            parameters need no gradient from the start, which DistributedDataParallel requires.

    Raises:
        ConfigError: when the groups do not add up to the number of layers, a frozen submodule does
            not exist, or ``config`` has a key that ``BertConfig`` does not know.
    """

    def __init__(
        self,
        groups: Sequence[int] = (3, 3, 3, 3),
        pretrained: str | None = None,
        config: dict | None = None,
        frozen: Sequence[str] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        unknown = set(config or {}) - set(BertConfig().to_dict())
        if unknown:
            raise ConfigError(
                f'StagewiseBert: transformers.BertConfig has no {", ".join(sorted(unknown))} and '
                'would ignore it. Correct text.config.'
            )
        sizes = BertConfig(**(config or {}))
        if sum(groups) != sizes.num_hidden_layers:
            raise ConfigError(
                f'StagewiseBert groups {tuple(groups)} add up to {sum(groups)} layers, but the '
                f'encoder has num_hidden_layers={sizes.num_hidden_layers}.'
            )
        sizes._attn_implementation = 'sdpa'
        bert = BertModel(sizes, add_pooling_layer=False)
        self.embeddings = bert.embeddings
        self.encoder = bert.encoder
        self.groups = tuple(groups)
        self.pretrained = pretrained
        self.sizes = sizes
        for name in frozen:
            try:
                self.get_submodule(name).requires_grad_(False)
            except AttributeError as error:
                raise ConfigError(
                    f'StagewiseBert cannot freeze {name!r}: it has no such submodule.'
                ) from error

    @property
    def channels(self) -> int:
        """Width ``D`` of the word features."""
        return self.sizes.hidden_size

    @property
    def word_embedding(self) -> Tensor:
        """Input embedding ``[vocabulary, D]``."""
        return self.embeddings.word_embeddings.weight

    def init_weights(self) -> None:
        """Load the pretrained weights, if any; transformers initialised the rest.

        Raises:
            CheckpointError: when they cannot be read or do not fit the config.
        """
        if self.pretrained is None:
            return
        weights = read_bert_weights(self.pretrained, self.sizes)
        try:
            self.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"The BERT weights {self.pretrained!r} do not fit the text encoder's sizes in "
                f'the config: {error}'
            ) from error
        print_log(f'Loaded BERT weights from {self.pretrained}', logger='current')

    def embed(self, input_ids: Tensor) -> Tensor:
        """``[B, T]`` int64 to embeddings ``[B, T, D]``."""
        return self.embeddings(input_ids=input_ids)

    def additive_mask(self, attention_mask: Tensor) -> Tensor:
        """0/1 mask ``[B, T]`` to ``[B, 1, 1, T]``: 0 for tokens, -10000 for padding [C]."""
        dtype = self.word_embedding.dtype
        return (1.0 - attention_mask.to(dtype))[:, None, None, :] * -10000.0

    def stage(self, index: int, words: Tensor, additive_mask: Tensor) -> Tensor:
        """Run one group of layers, ``[B, T, D]`` to ``[B, T, D]``."""
        first = sum(self.groups[:index])
        for layer in self.encoder.layer[first : first + self.groups[index]]:
            output = layer(words, additive_mask)
            # transformers < 5 returns a tuple from a layer.
            words = output if isinstance(output, torch.Tensor) else output[0]
        return words
