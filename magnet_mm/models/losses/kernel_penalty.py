# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The L2 penalty that TensorFlow codes add to the loss for convolution kernels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def kernel_penalty(module: nn.Module) -> Tensor:
    """Half the sum of squares of every kernel of linear layers and convolutions, a scalar.

    Biases, norms, embeddings and recurrent kernels do not count (docs/methods/cmpc.md) [C].
    """
    kernels = [part.weight for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    return torch.stack([kernel.float().square().sum() for kernel in kernels]).sum() / 2
