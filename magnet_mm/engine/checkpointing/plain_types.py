# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns what mmengine keeps in a checkpoint into types that ``weights_only=True`` accepts.

``torch.load(weights_only=True)`` builds tensors, builtin containers, numbers and strings, nothing
else. mmengine also stores ``HistoryBuffer`` objects (they pickle bound methods), numpy scalars and
config objects. :func:`to_plain` replaces those; :func:`restore_history_buffers` brings the
histories back on resume.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from magnet_mm.errors import CheckpointError

HISTORY_KEYS = frozenset({'log_history', 'count_history', 'max_length'})
"""Keys of the plain dict that stands for a ``HistoryBuffer``."""

_ATOMS = (bool, int, float, complex, str, bytes, type(None), torch.Tensor, torch.nn.Parameter)
_TORCH_ATOMS = (torch.Size, torch.dtype, torch.device)


def to_plain(value: Any, path: str = 'checkpoint') -> Any:
    """Return ``value`` with every part of it turned into a plain type.

    A container whose parts are all plain already is returned itself, not copied, so that a state
    dict keeps its ``_metadata``.

    Args:
        value: What to convert: containers of tensors, numbers, strings, numpy arrays and scalars,
            ``HistoryBuffer``, ``Config`` and ``ConfigDict``, paths.
        path: Where the value stands, for the error message.

    Returns:
        The plain value. Numeric numpy arrays become tensors, other arrays lists, numpy scalars
        Python numbers, histories dicts of two tensors and a length.

    Raises:
        CheckpointError: If a part has no plain counterpart; the message says where it stands.
    """
    kind = type(value)
    if kind in _ATOMS or isinstance(value, _TORCH_ATOMS):
        return value
    if isinstance(value, np.generic):
        return to_plain(value.item(), path)
    if isinstance(value, np.ndarray):
        return _plain_array(value, path)
    if isinstance(value, HistoryBuffer):
        log_history, count_history = value.data
        return dict(
            log_history=_plain_array(log_history, path),
            count_history=_plain_array(count_history, path),
            max_length=int(value.max_length),
        )
    if isinstance(value, Config):
        return to_plain(value.to_dict(), path)
    if isinstance(value, Mapping):
        return _plain_mapping(value, path)
    if isinstance(value, list | tuple | set | frozenset | deque):
        return _plain_sequence(value, path)
    if isinstance(value, PurePath):
        return str(value)
    for base in (str, bool, int, float):  # subclasses of builtins: enums, ConfigDict strings
        if isinstance(value, base):
            return base(value)
    raise CheckpointError(
        f'{path} is a {kind.__module__}.{kind.__qualname__}, which a checkpoint that loads with '
        'weights_only=True cannot hold. Let the component that puts it into the checkpoint store '
        'tensors, numbers, strings or containers of them instead.'
    )


def restore_history_buffers(log_scalars: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message hub's scalars with the dicts of :func:`to_plain` as ``HistoryBuffer``.

    Args:
        log_scalars: ``checkpoint['message_hub']['log_scalars']`` as loaded; values that are no
            plain histories are kept as they are.
    """
    restored: dict[str, Any] = {}
    for name, value in log_scalars.items():
        if isinstance(value, Mapping) and set(value) == HISTORY_KEYS:
            value = HistoryBuffer(
                log_history=_history_array(value['log_history']),
                count_history=_history_array(value['count_history']),
                max_length=value['max_length'],
            )
            value.restored = len(value.data[0])
        restored[name] = value
    return restored


def is_restored(history: HistoryBuffer) -> bool:
    """Say whether a history holds what a checkpoint brought along, and nothing since."""
    return getattr(history, 'restored', None) == len(history.data[0])


def _plain_array(array: np.ndarray, path: str) -> Any:
    if array.dtype.kind in 'biuf' and array.dtype.itemsize <= 8 and array.dtype.isnative:
        try:
            return torch.from_numpy(np.array(array, copy=True))
        except TypeError:  # a dtype this torch does not have (uint16 below 2.3)
            pass
    return to_plain(array.tolist(), path)


def _plain_mapping(value: Mapping, path: str) -> Mapping:
    pairs = [
        (to_plain(key, f'key {key!r} of {path}'), to_plain(part, f'{path}[{key!r}]'))
        for key, part in value.items()
    ]
    unchanged = all(
        new_key is key and new_part is part
        for (new_key, new_part), (key, part) in zip(pairs, value.items(), strict=True)
    )
    if type(value) in (dict, OrderedDict) and unchanged:
        return value
    return OrderedDict(pairs) if isinstance(value, OrderedDict) else dict(pairs)


def _plain_sequence(value: Any, path: str) -> Any:
    parts = [to_plain(part, f'{path}[{index}]') for index, part in enumerate(value)]
    if type(value) in (list, tuple, set) and all(
        new is old for new, old in zip(parts, value, strict=True)
    ):
        return value
    if isinstance(value, tuple):
        return tuple(parts)
    return set(parts) if isinstance(value, set | frozenset) else parts


def _history_array(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
