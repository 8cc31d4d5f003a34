# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What several systems share: inputs of a case, sizes that stand in a key list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from parity import fill
from parity.golden import Case

#: The shipped configs.
SHIPPED = Path(__file__).resolve().parents[2] / 'configs'


def bert_inputs(case: Case, max_tokens: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """Make images ``[B, 3, H, W]``, ids and mask ``[B, T]`` of a case.

    Raises:
        ValueError: when the ids are not the stored ones.
    """
    images = fill.make_image(case.number('image_seed'), case['image_shape'])
    ids, mask = fill.make_text(case.number('text_seed'), case['lengths'].tolist(), max_tokens)
    if not ((ids == case['input_ids']).all() and (mask == case['attention_mask']).all()):
        raise ValueError('The generated sentences are not the stored ones.')
    return torch.from_numpy(images), torch.from_numpy(ids), torch.from_numpy(mask)


def swin_sizes(keys: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Read a Swin's sizes off the keys under a prefix: arguments of ``StagewiseSwin``."""
    depths: dict[int, int] = {}
    heads: dict[int, int] = {}
    window, width = 0, 0
    for key, (_, shape) in keys.items():
        block = re.fullmatch(
            rf'{prefix}\.layers\.(\d+)\.blocks\.(\d+)\.attn\.relative_position_bias_table', key
        )
        if block:
            stage = int(block[1])
            depths[stage] = max(depths.get(stage, 0), int(block[2]) + 1)
            heads[stage] = shape[1]
            window = (round(shape[0] ** 0.5) + 1) // 2
        elif re.fullmatch(rf'{prefix}\.patch_embed\.proj\.weight', key):
            width = shape[0]
    return dict(
        embed_dims=width,
        depths=[depths[stage] for stage in sorted(depths)],
        num_heads=[heads[stage] for stage in sorted(heads)],
        window_size=window,
        init_cfg=None,
    )
