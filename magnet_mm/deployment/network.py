# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The part of a trained model that is exported: ``predict_logits`` and its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.engine.checkpointing.no_target_threshold import stored_threshold
from magnet_mm.engine.hooks.checkpoint_fit_hook import compare_state_dicts
from magnet_mm.errors import CheckpointError
from magnet_mm.structures import Prediction

TRAINING_ONLY = 'auxiliary_head.'


class LogitsNetwork(nn.Module):
    """``ReferringSegmentor.predict_tensors`` as a module's ``forward``, for inference.

    Auxiliary heads are dropped, synchronised batch norm becomes batch norm, and no parameter needs
    a gradient.

    Args:
        segmentor: a :class:`~magnet_mm.models.ReferringSegmentor`; it is changed.

    Attributes:
        text_fields: what the tokenizer says of a sentence beside ids and mask, by name
            (``Tokenizer.text_fields``); each is an input.
        part: which part of the model it is: all of it.
        output_batch: letter of the outputs' batch.
    """

    part = 'whole'
    output_batch = 'B'

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        segmentor.auxiliary_head = nn.ModuleList()
        self.segmentor = revert_sync_batchnorm(segmentor).requires_grad_(False)
        self.text_fields: dict[str, np.ndarray] = {}
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return mask logits ``[B, C, h, w]``, and no-target logits ``[B]`` if the model has them.

        Args:
            *inputs: in the order of :attr:`input_names`; ``ReferringSegmentor.predict_tensors``
                says what they are.
        """
        named = dict(zip(self.input_names, inputs, strict=True))
        return outputs_of(self.segmentor.predict_tensors(**named))

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs: ``images``, ``input_ids``, ``attention_mask``, and ``text_*``."""
        return ('images', *self.text_names)

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names of the inputs that a sentence makes."""
        return ('input_ids', 'attention_mask', *self.text_fields)

    @property
    def input_batches(self) -> tuple[str, ...]:
        """Letter of the batch of every input; inputs of one letter have one batch size."""
        return ('B',) * len(self.input_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What :meth:`forward` returns: ``logits``, and ``no_target`` where there is an answer."""
        head = self.segmentor.decode_head
        answers = getattr(head, 'answers_no_target', False)
        if answers or self.segmentor.no_target_head is not None:
            return ('logits', 'no_target')
        return ('logits',)

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return self.segmentor.backbone.vocabulary_size

    def example_inputs(
        self, batch: int, shape: tuple[int, int], tokens: int, seed: int = 0
    ) -> tuple[Tensor, ...]:
        """Random inputs on the network's device, in the order of :attr:`input_names`.

        Args:
            batch: ``B``.
            shape: image height and width in pixels.
            tokens: ``T``; the sentences have different lengths from 2 to ``T``.
            seed: seed of the values.
        """
        device = next(self.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(batch, 3, *shape, generator=generator)
        lengths = torch.linspace(2, tokens, batch + 1)[1:].round().int()
        mask = (torch.arange(tokens) < lengths[:, None]).long()
        ids = torch.randint(1, self.vocabulary_size, (batch, tokens), generator=generator) * mask
        others = [
            torch.rand(batch, *zeros.shape, generator=generator).to(torch.from_numpy(zeros).dtype)
            for zeros in self.text_fields.values()
        ]
        return tuple(values.to(device) for values in (images, ids, mask, *others))


def outputs_of(prediction: Prediction) -> Tensor | tuple[Tensor, Tensor]:
    """Return masks alone, or with the no-target answer where there is one."""
    return prediction.masks if prediction.no_target is None else tuple(prediction)


def load_network(
    config: Config, checkpoint: str | os.PathLike, device: str = 'cpu'
) -> LogitsNetwork:
    """Build a config's model with the weights of a checkpoint.

    Args:
        config: a complete config.
        checkpoint: a checkpoint file that the package wrote or converted; read with
            ``weights_only=True``.
        device: where the network goes.

    Raises:
        CheckpointError: when the file is absent, damaged, unsafe, or does not fit the model.
    """
    if not os.path.isfile(checkpoint):
        raise CheckpointError(f'There is no checkpoint {checkpoint}.')
    init_default_scope(config.get('default_scope', 'mmseg'))
    segmentor = MODELS.build(config.model)
    loaded = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    weights = loaded.get('state_dict', loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(weights, Mapping):
        raise CheckpointError(
            f'{checkpoint} holds no state dict; give a .pth file of tools/train.py.'
        )
    weights = {str(key).removeprefix('module.'): value for key, value in weights.items()}
    problems = compare_state_dicts(segmentor.state_dict(), weights, (TRAINING_ONLY,))
    if problems:
        raise CheckpointError(
            f'{checkpoint} does not fit the model of the config:\n'
            + '\n'.join(problems)
            + '\nGive the config it was trained with; released checkpoints are converted first '
            '(tools/model_converters).'
        )
    segmentor.load_state_dict(weights, strict=False)
    segmentor.set_no_target_threshold(stored_threshold(loaded))
    return LogitsNetwork(segmentor).to(device)
