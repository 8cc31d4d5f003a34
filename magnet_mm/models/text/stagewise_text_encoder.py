# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A Hugging Face text encoder whose layers run in groups, one group per visual stage."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    PretrainedConfig,
    PreTrainedModel,
)

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models.text.pretrained_text import read_text_weights
from magnet_mm.structures import TextFeatures

# Compared with transformers in the tests; others are compared once, when they are built.
_KNOWN_TO_RUN_IN_GROUPS = ('bert',)


@MODELS.register_module()
class StagewiseTextEncoder(BaseModule):
    """Groups of layers; building reads no file, ``init_weights()`` loads the weights.

    An encoder with ``embeddings`` and ``encoder.layer`` (BERT, RoBERTa, ELECTRA, MPNet ...) runs
    layer by layer, if that gives what its own forward gives. Any other that takes
    ``inputs_embeds`` runs as a whole before the first fusion; ``stagewise`` is then False and the
    groups have no meaning.

    Args:
        model_type: transformers' name of the architecture, e.g. ``'roberta'``.
        groups: number of layers run before each fusion. ``(3, 3, 3, 3)`` is MagNet's early fusion
            [C]; ``(12, 0, 0, 0)`` gives LAVT's finished sentence to all stages [C].
        pretrained: hub name or local directory for ``from_pretrained``; None starts from scratch.
        config: sizes for transformers' configuration of that type, beside its defaults.
        frozen: submodules that keep their weights, by name. Their parameters need no gradient from
            the start, which DistributedDataParallel requires.
        pretrained_layers: only the embeddings and so many first layers are taken from
            ``pretrained``, which may have more; None takes all.

    Raises:
        ConfigError: for an unknown type or size, groups that do not add up to the number of layers,
            a frozen submodule that does not exist, an encoder that can be run in neither way, or
            ``pretrained_layers`` for one without layers of its own.
    """

    sentence_channels = None
    reads_image = False

    def __init__(
        self,
        model_type: str,
        groups: Sequence[int] = (3, 3, 3, 3),
        pretrained: str | None = None,
        config: dict | None = None,
        frozen: Sequence[str] = (),
        pretrained_layers: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pretrained_layers = pretrained_layers
        self.sizes = self._read_sizes(model_type, config or {})
        self.longest: int | None = None  # tokens of a sentence, at most
        self.groups = tuple(groups)
        self.pretrained = pretrained
        self.model_class: type[PreTrainedModel] = MODEL_MAPPING[type(self.sizes)]
        arguments = inspect.signature(self.model_class.__init__).parameters
        self._options = dict(add_pooling_layer=False) if 'add_pooling_layer' in arguments else {}
        if getattr(self.model_class, '_supports_sdpa', False):
            self.sizes._attn_implementation = 'sdpa'
        model = self.model_class(self.sizes, **self._options)
        self.stagewise = self._take_apart(model)
        if self.stagewise:
            self._check_groups()
        else:
            self._keep_whole(model)
        self.longest = self._count_positions()
        if pretrained_layers is not None and not self.stagewise:
            raise ConfigError(
                f'{self.model_class.__name__} is not run layer by layer, so that its weights are '
                'loaded whole. Remove pretrained_layers.'
            )
        for name in frozen:
            try:
                self.get_submodule(name).requires_grad_(False)
            except AttributeError as error:
                raise ConfigError(
                    f'{type(self).__name__} cannot freeze {name!r}: it has no such submodule.'
                ) from error

    def _read_sizes(self, model_type: str, config: dict) -> PretrainedConfig:
        """Return transformers' configuration; it would take unknown keys and ignore them."""
        known = model_type in CONFIG_MAPPING
        default = AutoConfig.for_model(model_type) if known else None
        if type(default) not in MODEL_MAPPING or not hasattr(default, 'vocab_size'):
            raise ConfigError(
                f'transformers has no text encoder of type {model_type!r}. Correct text.model_type.'
            )
        unknown = set(config) - set(default.to_dict())
        if unknown:
            raise ConfigError(
                f'{type(self).__name__}: transformers.{type(default).__name__} has no '
                f'{", ".join(sorted(unknown))} and would ignore it. Correct text.config.'
            )
        return type(default)(**config)

    def _take_apart(self, model: PreTrainedModel) -> bool:
        """Keep embeddings and layers of the model, if running them is running the model."""
        layers = getattr(getattr(model, 'encoder', None), 'layer', None)
        if not isinstance(layers, nn.ModuleList) or not hasattr(model, 'embeddings'):
            return False
        self.embeddings = model.embeddings
        self.encoder = model.encoder
        # ELECTRA's embeddings may be narrower than its layers.
        self.embeddings_project = getattr(model, 'embeddings_project', nn.Identity())
        if self.sizes.model_type in _KNOWN_TO_RUN_IN_GROUPS or self._equals(model):
            return True
        del self.embeddings, self.encoder, self.embeddings_project
        return False

    @torch.no_grad()
    def _equals(self, model: PreTrainedModel) -> bool:
        """Whether the layers, one by one, give what the model gives for a padded sentence."""
        ids, mask = self._probe()
        model.eval()
        expected = model(input_ids=ids, attention_mask=mask).last_hidden_state
        try:
            words = self.embeddings_project(self.embeddings(input_ids=ids))
            words = self._run(self.encoder.layer, words, _additive(mask, words.dtype))
        except (AttributeError, RuntimeError, TypeError, ValueError):
            return False  # its layers want more than words and a mask
        finally:
            model.train()
        return torch.allclose(words[:, :4], expected[:, :4], rtol=1e-4, atol=1e-5)

    def _probe(self) -> tuple[Tensor, Tensor]:
        """Four tokens and two of padding, ids and mask ``[1, 6]``."""
        padding = self.sizes.pad_token_id or 0
        ids = torch.tensor([[5, 6, 7, 8, padding, padding]]) % self.sizes.vocab_size
        return ids, torch.tensor([[1, 1, 1, 1, 0, 0]])

    def _keep_whole(self, model: PreTrainedModel) -> None:
        """Keep a model that runs through before the first fusion.

        Raises:
            ConfigError: when it does not take ``inputs_embeds`` and a mask.
        """
        self.model = model
        ids, mask = self._probe()
        model.eval()
        try:
            with torch.no_grad():
                self.stage(0, self.embed(ids), mask)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f'{self.model_class.__name__} can be run neither layer by layer (it lacks '
                'embeddings and encoder.layer, or they need more than words and a mask) nor as a '
                f'whole on inputs_embeds and attention_mask ({error}). Name another text encoder.'
            ) from error
        finally:
            model.train()
        print_log(
            f'{self.model_class.__name__} cannot be run in groups of layers: it runs as a whole '
            'before the first fusion, and its groups have no meaning.',
            logger='current',
        )

    def _check_groups(self) -> None:
        layers = len(self.encoder.layer)
        if sum(self.groups) != layers:
            raise ConfigError(
                f'{type(self).__name__} groups {self.groups} add up to {sum(self.groups)} layers, '
                f'but the encoder has num_hidden_layers={layers}.'
            )

    @property
    def channels(self) -> int:
        """Width ``D`` of the word features."""
        return self.sizes.hidden_size

    @property
    def word_embedding(self) -> Tensor:
        """Input embedding ``[vocabulary, D]``."""
        if self.stagewise:
            return self.embeddings.word_embeddings.weight
        return self.model.get_input_embeddings().weight

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return self.word_embedding.shape[0]

    def _count_positions(self) -> int | None:
        """Count the tokens that there are positions for; None where positions are relative.

        RoBERTa and its kin count from behind the padding id.
        """
        rooms = [
            module.num_embeddings - (-1 if module.padding_idx is None else module.padding_idx) - 1
            for name, module in self.named_modules()
            if isinstance(module, nn.Embedding)
            and name.rpartition('.')[2].startswith('position_embedding')
        ]
        return min(rooms, default=None)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **text: Tensor) -> TextFeatures:
        """Run the whole encoder, ``[B, T]`` int64 each."""
        embeddings = words = self.embed(input_ids)
        mask = self.additive_mask(attention_mask)
        for index in range(len(self.groups) if self.stagewise else 1):
            words = self.stage(index, words, mask)
        return TextFeatures(words, attention_mask, embeddings=embeddings)

    def init_weights(self) -> None:
        """Load the pretrained weights, if any; transformers initialised the rest.

        Raises:
            CheckpointError: when they cannot be read or do not fit the config.
        """
        if self.pretrained is None:
            return
        weights = read_text_weights(self.pretrained, self.model_class, self.sizes, **self._options)
        if self.pretrained_layers is not None:
            weights = self._first_layers(weights)
        name = 'BERT' if self.sizes.model_type == 'bert' else self.sizes.model_type
        try:
            (self if self.stagewise else self.model).load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"The {name} weights {self.pretrained!r} do not fit the text encoder's sizes in "
                f'the config: {error}'
            ) from error
        print_log(f'Loaded {name} weights from {self.pretrained}', logger='current')

    def _first_layers(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keep what is taken from the file, and the layers behind it as they are."""
        taken = {
            key: value for key, value in weights.items() if self.pretrained_layers > _layer_of(key)
        }
        own = {
            key: value
            for key, value in self.state_dict().items()
            if self.pretrained_layers <= _layer_of(key)
        }
        return {**taken, **own}

    def embed(self, input_ids: Tensor) -> Tensor:
        """``[B, T]`` int64 to embeddings ``[B, T, D]``.

        Raises:
            ConfigError: for sentences longer than :attr:`longest`, or (on the CPU, where torch
                says so) ids outside the vocabulary.
        """
        if self.longest is not None and input_ids.shape[1] > self.longest:
            raise ConfigError(
                f'max_tokens={input_ids.shape[1]}, but this {self.sizes.model_type} has positions '
                f'for {self.longest} tokens. Set max_tokens={self.longest} or less in '
                'TokenizeExpression, in every pipeline.'
            )
        try:
            if not self.stagewise:
                return self.model.get_input_embeddings()(input_ids)
            return self.embeddings_project(self.embeddings(input_ids=input_ids))
        except IndexError as error:
            raise ConfigError(
                f'The sentences hold token ids up to {int(input_ids.max())}, but the vocabulary of '
                f'this {self.sizes.model_type} has {self.vocabulary_size}. Give TokenizeExpression '
                "the text encoder's own tokenizer."
            ) from error

    def additive_mask(self, attention_mask: Tensor) -> Tensor:
        """0/1 mask ``[B, T]`` to ``[B, 1, 1, T]``: 0 for tokens, -10000 for padding [C].

        An encoder that runs as a whole makes its own; it is handed the 0/1 mask as it is.
        """
        if not self.stagewise:
            return attention_mask
        return _additive(attention_mask, self.word_embedding.dtype)

    def stage(self, index: int, words: Tensor, additive_mask: Tensor) -> Tensor:
        """Run one group of layers, ``[B, T, D]`` to ``[B, T, D]``."""
        if self.stagewise:
            first = sum(self.groups[:index])
            layers = self.encoder.layer[first : first + self.groups[index]]
            return self._run(layers, words, additive_mask)
        if index > 0:
            return words
        return self.model(inputs_embeds=words, attention_mask=additive_mask).last_hidden_state

    def _run(self, layers: Sequence[nn.Module], words: Tensor, additive_mask: Tensor) -> Tensor:
        """Run layers in sequence, ``[B, T, D]`` to ``[B, T, D]``."""
        extra = {}
        if hasattr(self.encoder, 'compute_position_bias'):  # MPNet
            extra['position_bias'] = self.encoder.compute_position_bias(words)
        for layer in layers:
            output = layer(words, additive_mask, **extra)
            # transformers < 5 returns a tuple from a layer.
            words = output if isinstance(output, Tensor) else output[0]
        return words


def _additive(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0/1 ``[B, T]`` to ``[B, 1, 1, T]``, 0 and -10000."""
    return (1.0 - attention_mask.to(dtype))[:, None, None, :] * -10000.0


def _layer_of(key: str) -> int:
    """Return the number of the layer that a key belongs to; -1 for the embeddings."""
    place = re.match(r'encoder\.layer\.(\d+)\.', key)
    return int(place[1]) if place else -1
