# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads checkpoints as their authors published them.

A published file is ``{'model': state_dict, 'args': argparse.Namespace, ...}`` or a bare state dict.
LAVT comes in two forms: ``lavt_one`` holds the BERT under ``text_encoder.``; the older ``lavt``
keeps it beside the model, as ``bert_model``. Keys may start with ``module.`` (saved from
DistributedDataParallel).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.runner import CheckpointLoader
from torch import Tensor

from magnet_mm.engine import register_safe_loaders
from magnet_mm.errors import CheckpointError
from magnet_mm.released.keras_file import read_keras_weights

KERAS_SUFFIXES = ('.h5', '.hdf5')

# Layout: what stands before the first dot or slash of its keys; the first one of which all are
# there wins.
LAYOUTS = {
    'magnet': {'image_model'},
    'efn': {'textmodel', 'scale1'},
    'caris': {'backbone', 'pixel_decoder', 'criterion'},
    'rela': {'backbone', 'sem_seg_head', 'text_encoder'},
    'cris': {'backbone', 'neck', 'proj'},
    'crossvlt': {'backbone', 'lang_stage1'},
    'lavt_one': {'backbone', 'text_encoder'},
    'lavt': {'backbone'},
    'vlt': {'conv2d_1', 'multi_head_attention_1'},
}


class PublishedCheckpoint(NamedTuple):
    """A published state dict in its normal form.

    Attributes:
        layout: one of :data:`LAYOUTS`; ``lavt`` is LAVT's form with ``bert_model``.
        state_dict: keys without ``module.``; LAVT's always with ``text_encoder.``.
    """

    layout: str
    state_dict: dict[str, Tensor]


def read_published(path: str | os.PathLike) -> PublishedCheckpoint:
    """Read a file with ``weights_only=True``, or a Keras ``.h5``, and recognise its layout.

    Only ``argparse.Namespace`` is allowed on top of tensors and plain types.

    Raises:
        CheckpointError: when the file does not exist, is damaged, holds other objects, or is
            none of the published networks.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'The checkpoint {path} does not exist.')
    if path.suffix in KERAS_SUFFIXES:
        return recognise(read_keras_weights(path), str(path))
    register_safe_loaders()
    try:
        checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    except OSError as error:  # torch's zip reader on a file that ends early
        raise CheckpointError(
            f'{path} cannot be read ({error}); it may be incomplete. Download it again.'
        ) from error
    return recognise(checkpoint, str(path))


def recognise(checkpoint: object, source: str) -> PublishedCheckpoint:
    """Find out which network a loaded file holds, and bring its keys into the normal form.

    Args:
        checkpoint: what the file contains.
        source: the file's name, for messages.

    Raises:
        CheckpointError: when it is none of the published networks.
    """
    state_dict = _without_prefix(_state_dict(checkpoint, source), source)
    parts = {re.split('[./]', key)[0] for key in state_dict}
    layout = next((name for name, wanted in LAYOUTS.items() if wanted <= parts), None)
    if layout == 'lavt':
        bert = checkpoint.get('bert_model')
        if not isinstance(bert, Mapping):
            raise CheckpointError(
                f"{source} holds an image network but no text encoder: neither 'text_encoder.' "
                "keys (lavt_one) nor a state dict 'bert_model' beside it (lavt)."
            )
        for key, tensor in _without_prefix(bert, source).items():
            state_dict[f'text_encoder.{key}'] = tensor
    if layout is not None:
        return PublishedCheckpoint(layout, state_dict)
    raise CheckpointError(
        f'{source} is none of the published checkpoints ({", ".join(LAYOUTS)}): its keys start '
        f'with {", ".join(sorted(parts)[:10])}.'
    )


def _state_dict(checkpoint: object, source: str) -> Mapping:
    """Find the state dict: ``model``, ``state_dict``, or the whole file if it is tensors alone."""
    if isinstance(checkpoint, Mapping):
        for name in ('model', 'state_dict'):
            if isinstance(checkpoint.get(name), Mapping):
                return checkpoint[name]
        if checkpoint and all(isinstance(value, Tensor) for value in checkpoint.values()):
            return checkpoint
    found = (
        f'the entries {", ".join(map(str, list(checkpoint)[:10]))}'
        if isinstance(checkpoint, Mapping)
        else f'a {type(checkpoint).__name__}'
    )
    raise CheckpointError(
        f"{source} has no state dict under 'model', as published checkpoints have, and is none; it "
        f'holds {found}. Give the file as its authors published it.'
    )


def _without_prefix(state_dict: Mapping, source: str) -> dict[str, Tensor]:
    """Strip ``module.`` and make sure that every entry is a tensor."""
    stripped = {str(key).removeprefix('module.'): value for key, value in state_dict.items()}
    strange = [key for key, value in stripped.items() if not isinstance(value, Tensor)]
    if strange or len(stripped) < len(state_dict):
        raise CheckpointError(
            f'{source} holds entries that are no tensors ({", ".join(strange[:10])})'
            if strange
            else f'{source} holds the same key with and without the prefix module.'
        )
    return stripped
