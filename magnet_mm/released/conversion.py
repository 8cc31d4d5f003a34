# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts published checkpoints, all of it or nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.atomic_files import replacing
from magnet_mm.errors import CheckpointError
from magnet_mm.released.key_map import KeyMap, find_in
from magnet_mm.released.published import PublishedCheckpoint, read_published
from magnet_mm.version import __version__

# Parts of our models that a published file need not have, and that need not take what it has.
TRAINING_ONLY = 'auxiliary_head.'


def build_model(config: str | os.PathLike) -> nn.Module:
    """Build a config's model, without loading any weights.

    Args:
        config: path of a config file with a ``model``.
    """
    init_default_scope('mmseg')
    return MODELS.build(Config.fromfile(config).model)


def convert_checkpoint(
    source: str | os.PathLike,
    destination: str | os.PathLike,
    key_map: KeyMap,
    config: str | os.PathLike,
    read: Callable[[str | os.PathLike], PublishedCheckpoint] = read_published,
) -> dict[str, object]:
    """Convert a published file into one that ``config``'s model loads strictly.

    The file is written under a temporary name and renamed, so that it is complete or absent.

    Args:
        source: published file.
        destination: ``.pth`` file to write: ``{'state_dict': ..., 'meta': ...}``.
        key_map: layout that is expected.
        config: config file whose model takes the weights.
        read: reads the file; another one for files that are not torch's.

    Returns:
        The ``meta`` of the written file.

    Raises:
        CheckpointError: when the file cannot be read, holds another network, or does not fit the
            model; nothing is written then.
    """
    published = read(source)
    if published.layout not in key_map.layouts:
        raise CheckpointError(
            f'{source} is a {published.layout} checkpoint, not a {key_map.name} one; use '
            f'tools/model_converters/{published.layout.removesuffix("_one")}2mm.py.'
        )
    model = build_model(config)
    for name in key_map.own:
        model.get_submodule(name).init_weights()
    target = model.state_dict()
    state_dict = convert_state_dict(published.state_dict, key_map, target, str(source))
    meta = dict(
        magnet_mm_version=__version__,
        converted_from=Path(source).name,
        layout=published.layout,
        config=Path(config).name,
        dataset_meta=dict(classes=('background', 'referred object')),
    )
    with replacing(destination) as unfinished:
        torch.save(dict(state_dict=state_dict, meta=meta), unfinished)
    return meta


def convert_state_dict(
    published: Mapping[str, Tensor],
    key_map: KeyMap,
    target: Mapping[str, Tensor],
    source: str = 'The checkpoint',
) -> dict[str, Tensor]:
    """Translate every key, and check every key, shape and integer buffer against a model.

    Integer buffers (Swin's ``relative_position_index``) are constants of the architecture: they
    must be equal to the model's own.

    Args:
        published: state dict in the normal form of :mod:`magnet_mm.released.published`.
        key_map: its layout.
        target: the model's state dict.
        source: the file's name, for messages.

    Raises:
        CheckpointError: listing what is missing, unexpected, of the wrong shape or of other values.
    """
    converted: dict[str, Tensor] = {}
    unexpected, wrong_shape, wrong_value, dropped = [], [], [], []
    for key, tensor in published.items():
        try:
            ours = key_map.translate(key)
        except CheckpointError:
            unexpected.append(key)
            continue
        if ours is None:
            continue
        ours = find_in(target, ours)
        if ours not in target and ours.startswith(TRAINING_ONLY):
            dropped.append(f'{key} (would be {ours})')
            continue
        if ours not in target or ours in converted:
            unexpected.append(f'{key} (would be {ours})')
            continue
        expected = target[ours]
        value = _reshaped(key_map, ours, tensor)
        if value is None or value.shape != expected.shape:
            wrong_shape.append(f'{key} (has {tuple(tensor.shape)}, {ours} {tuple(expected.shape)})')
        elif _is_constant(ours, expected) and not torch.equal(value, expected):
            wrong_value.append(key)
        converted[ours] = expected if value is None else value.to(expected.dtype)
    for name in key_map.own:
        converted.update({key: target[key] for key in target if key.startswith(f'{name}.')})
    missing = [
        key
        for key in target
        if key not in converted
        and not key.startswith(TRAINING_ONLY)
        and not key.endswith('.num_batches_tracked')
    ]
    problems = [
        f'{len(keys)} keys {what}:\n  ' + '\n  '.join(keys)
        for what, keys in (
            ('missing (our names)', missing),
            ('unexpected', unexpected),
            ('of the wrong shape', wrong_shape),
            ('that hold other constants than the architecture', wrong_value),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f'{source} does not fit {key_map.name} as in {key_map.config}; nothing was written.\n'
            + '\n'.join(problems)
        )
    if dropped:
        print_log(
            f'{source}: the model has no place for what only training needs: {", ".join(dropped)}',
            logger='current',
            level=logging.WARNING,
        )
    return converted


def count_elements(state_dict: Mapping[str, Tensor], patterns: Sequence[str] = ()) -> int:
    """Count the parameters of a state dict: floating-point entries but running statistics.

    Args:
        state_dict: any state dict.
        patterns: count only keys that start with one of these; none counts all.
    """
    return sum(
        tensor.numel()
        for key, tensor in state_dict.items()
        if tensor.is_floating_point()
        and not key.endswith(('.running_mean', '.running_var'))
        and (not patterns or key.startswith(tuple(patterns)))
    )


def _is_constant(key: str, tensor: Tensor) -> bool:
    return not tensor.is_floating_point() and not key.endswith('.num_batches_tracked')


def _reshaped(key_map: KeyMap, key: str, tensor: Tensor) -> Tensor | None:
    """Return the tensor in our layout; None where it has no such layout."""
    try:
        return key_map.values(key, tensor)
    except (RuntimeError, IndexError):
        return None
