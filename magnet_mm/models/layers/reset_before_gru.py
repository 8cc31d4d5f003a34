# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The GRU whose reset gate acts before the recurrent product (docs/methods/vlt.md, "Sentence").

``torch.nn.GRU`` resets after it and cannot represent this one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResetBeforeGRU(nn.Module):
    """One direction, from a state of zeros over every position, padding included.

    ``z = sigmoid(x Kz + h Rz + bz)``, ``r = sigmoid(x Kr + h Rr + br)``,
    ``g = tanh(x Kh + (r * h) Rh + bh)``, ``h' = z * h + (1 - z) * g`` [C VLT]. The gates lie in the
    order z, r, h along the rows of both matrices. Kernel Glorot uniform, recurrent matrix
    orthogonal, bias 0, as Keras starts them.

    Args:
        in_channels: width of the inputs.
        channels: width of the state.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.input = nn.Linear(in_channels, 3 * channels)
        self.recurrent = nn.Linear(channels, 3 * channels, bias=False)
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.zeros_(self.input.bias)
        nn.init.orthogonal_(self.recurrent.weight)

    def forward(self, x: Tensor, reverse: bool = False) -> Tensor:
        """States ``[B, T, channels]`` of ``x [B, T, in_channels]``.

        Args:
            x: inputs.
            reverse: read from the last position to the first; the states stay at their positions.
        """
        gates, candidates = self.input(x).split([2 * self.channels, self.channels], dim=-1)
        gate_matrix, candidate_matrix = self.recurrent.weight.split(
            [2 * self.channels, self.channels]
        )
        state = candidates.new_zeros(x.shape[0], self.channels)
        states: list[Tensor] = []
        order = range(x.shape[1])
        for position in reversed(order) if reverse else order:
            both = torch.sigmoid(gates[:, position] + F.linear(state, gate_matrix))
            update, reset = both.chunk(2, dim=-1)
            recurrent = F.linear(reset * state, candidate_matrix)
            candidate = torch.tanh(candidates[:, position] + recurrent)
            state = candidate + update * (state - candidate)
            states.append(state)
        return torch.stack(states[::-1] if reverse else states, dim=1)


class BidirectionalResetBeforeGRU(nn.Module):
    """Both directions, their states summed position by position [C VLT].

    Args:
        in_channels: width of the inputs.
        channels: width of the states.
        dropout: share of input channels that training drops, the same ones at all positions of a
            sentence, drawn for each direction [C VLT].
    """

    def __init__(self, in_channels: int, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.forwards = ResetBeforeGRU(in_channels, channels)
        self.backwards = ResetBeforeGRU(in_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, in_channels]`` to ``[B, T, channels]``."""
        backwards = self.backwards(self._drop(x), reverse=True)
        return self.forwards(self._drop(x)) + backwards

    def _drop(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return x
        return x * F.dropout(torch.ones_like(x[:, :1]), self.dropout)
