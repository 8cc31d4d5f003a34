# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pseudo-random weights in a released layout, and our model with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.released.conversion import convert_state_dict
from magnet_mm.released.key_map import KeyMap


def swin_index(tokens: int) -> Tensor:
    """Swin's buffer: index of the offset between each two tokens of a window (Swin eq. 4)."""
    window = round(tokens**0.5)
    row, column = np.divmod(np.arange(tokens), window)
    rows = row[:, None] - row[None] + window - 1
    columns = column[:, None] - column[None] + window - 1
    return torch.from_numpy(rows * (2 * window - 1) + columns)


def released_state_dict(
    keys: Mapping[str, Any], value: Callable[[str, tuple[int, ...]], np.ndarray | Tensor]
) -> dict[str, Tensor]:
    """Fill a key list: floats by ``value(key, shape)``, integers as the networks construct them."""
    state = {}
    for key, (dtype, shape) in keys.items():
        if dtype.startswith('float'):
            state[key] = torch.as_tensor(value(key, tuple(shape))).reshape(tuple(shape))
        elif key.endswith('relative_position_index'):
            state[key] = swin_index(shape[0])
        else:
            state[key] = torch.zeros(shape, dtype=torch.int64)
    return state


def model_with(
    config: Mapping[str, Any], state: Mapping[str, Tensor], key_map: KeyMap
) -> nn.Module:
    """Build a model config and load a released state dict through its converter; eval mode."""
    init_default_scope('mmseg')
    model = MODELS.build(dict(config))
    converted = convert_state_dict(state, key_map, model.state_dict())
    model.load_state_dict(converted, strict=False)  # the converter accounts for every key
    return model.eval()


class Taps:
    """Keeps what modules return, under the names of stored tensors.

    Use as a context manager around one forward pass.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, Tensor] = {}
        self._handles: list[Any] = []

    def keep(
        self, name: str, module: nn.Module, pick: Callable[[Any], Any] = lambda output: output
    ) -> None:
        """Keep ``pick(output)`` of a module's next call."""

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.outputs[name] = pick(output)

        self._handles.append(module.register_forward_hook(hook))

    def keep_input(self, name: str, module: nn.Module) -> None:
        """Keep the first argument of a module's next call."""

        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self.outputs[name] = inputs[0]

        self._handles.append(module.register_forward_pre_hook(hook))

    def __enter__(self) -> Taps:
        """Start."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
