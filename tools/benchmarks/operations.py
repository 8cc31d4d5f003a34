# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Counts the operations that a call executes.

torch's ``FlopCounterMode`` counts matrix products, convolutions and attention, forward and
backward; added here are what it does not know: fused attention on the CPU, and deformable
attention (two operations per gathered number, as for any weighted sum; four are gathered for every
point and channel). Not counted:
normalisation, activations, softmax, losses, the optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


def _attention(query, key, value, *_, out_shape=None, **__) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(grad, query, key, value, *_, out_shape=None, **__) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


def _bags(table, rows, *_, out_shape=None, **__) -> int:
    return 2 * math.prod(rows) * table[1]


def _sampling(*_, out_shape=None, **__) -> int:
    return 8 * math.prod(out_shape)


def _sampling_backward(grad, *_, out_shape=None, **__) -> int:
    return 16 * math.prod(grad)


def _sampled_product(places, left, *_, **__) -> int:
    return 2 * places.values().numel() * left.shape[1]


_sampled_product._get_raw = True  # tensors, not shapes: the number of places is no shape


def _known_here() -> dict[Callable, Callable]:
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        aten._embedding_bag: _bags,
        aten._embedding_bag_forward_only: _bags,
        aten.grid_sampler_2d: _sampling,
        aten.grid_sampler_2d_backward: _sampling_backward,
        aten.sparse_sampled_addmm: _sampled_product,
    }


def count_operations(call: Callable[[], object]) -> int:
    """Operations of one call; a multiplication and an addition are two."""
    counter = FlopCounterMode(display=False, custom_mapping=_known_here())
    with counter:
        call()
    return counter.get_total_flops()
