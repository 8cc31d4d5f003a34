# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Gradients of our model against those stored under the released names."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from magnet_mm.released.key_map import KeyMap
from parity.compare import Row
from parity.golden import Case

#: Norms below this share of the largest one are zero by mathematics, or nearly.
_ZERO = 1e-6


def released_gradient(model: nn.Module, key_map: KeyMap, key: str, shape: tuple) -> Tensor | None:
    """Our gradient of a released key in the released layout, flat; None where it has none.

    Args:
        model: after ``backward``.
        key_map: the system's.
        key: released name.
        shape: its released shape.
    """
    name = key_map.translate(key)
    parameter = None if name is None else dict(model.named_parameters()).get(name)
    if parameter is None or parameter.grad is None:
        return None
    # Where each of our numbers stands in the released tensor.
    places = key_map.values(name, torch.arange(parameter.numel()).reshape(shape)).flatten()
    gradient = torch.empty(parameter.numel(), dtype=parameter.dtype)
    gradient[places] = parameter.grad.flatten()
    return gradient


def gradient_rows(
    model: nn.Module,
    key_map: KeyMap,
    keys: dict[str, tuple[str, tuple]],
    stored: Case,
    case: str = 'training',
    tolerance: float = 1e-3,
) -> list[Row]:
    """Compare all gradient norms and the sampled gradients, relative to the stored ones.

    Args:
        model: after ``backward``, in float64 where the stored values are.
        key_map: the system's.
        keys: the key list, for the released shapes.
        stored: ``grad_names``, ``grad_norms_float64`` and ``grad/<name>`` of a training file.
        case: for the rows.
        tolerance: relative.
    """
    norms = dict(
        zip(stored['grad_names'].tolist(), stored['grad_norms_float64'].tolist(), strict=True)
    )
    floor = _ZERO * max(norms.values())
    worst, which = 0.0, ''
    for key, norm in norms.items():
        gradient = released_gradient(model, key_map, key, tuple(keys[key][1]))
        ours = 0.0 if gradient is None else gradient.double().norm().item()
        difference = abs(ours - norm) / max(norm, floor)
        if norm < floor:
            difference = 0.0 if ours < floor else difference
        if difference > worst:
            worst, which = difference, key
    rows = [Row(case, f'{len(norms)} gradient norms', worst, tolerance, f'worst: {which}')]
    for name in stored.names():
        if not name.startswith('grad/'):
            continue
        key = name.removeprefix('grad/')
        gradient = released_gradient(model, key_map, key, tuple(keys[key][1]))
        values, index = stored[f'{name}/values'], stored[f'{name}/idx']
        if gradient is None:
            rows.append(Row(case, name, float('nan'), tolerance, 'no gradient'))
            continue
        ours = gradient.numpy()[index]
        # Sampled values of a gradient that is zero by mathematics are rounding.
        scale = max(np.abs(values).max(), floor)
        rows.append(Row(case, name, float(np.abs(ours - values).max() / scale), tolerance))
    return rows
