# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Blocks whose dtypes are as they are written, under autocast too."""

from __future__ import annotations

import torch
from torch import Tensor


def no_autocast(tensor: Tensor) -> torch.autocast:
    """Switch autocast off in a block, on a tensor's device.

    Operations are counted on the meta device, which has no autocast of its own.
    """
    return torch.autocast('cpu' if tensor.is_meta else tensor.device.type, enabled=False)
