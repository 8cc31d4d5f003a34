# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The ConvLSTM that CMPC and LSCM run over the levels of the image: peepholes, joint layer norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.joint_norm import JointLayerNorm


class ConvLSTMCell(nn.Module):
    """One step with a 1x1 kernel, on maps ``[B, H, W, C]`` [C].

    The peepholes have a weight for every cell of the grid, so the grid is fixed. Those of input and
    forget gate are added before their norm and look at the old cell; that of the output gate looks
    at the new one. The cell that is carried on is the normalised one.

    Args:
        channels: of the input and of the state.
        grid: rows and columns of the maps.
    """

    def __init__(self, channels: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(4 * channels, 2 * channels))  # rows j, i, f, o
        nn.init.xavier_uniform_(self.kernel)
        peephole = torch.zeros(*grid, channels)  # our choice: they start without effect
        self.peephole_i = nn.Parameter(peephole.clone())
        self.peephole_f = nn.Parameter(peephole.clone())
        self.peephole_o = nn.Parameter(peephole.clone())
        self.norms = nn.ModuleDict({gate: JointLayerNorm(channels) for gate in 'jifoc'})

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """``(cell, hidden)``, each ``[B, H, W, C]``, to the next two."""
        cell, hidden = state
        j, i, f, o = F.linear(torch.cat([x, hidden], -1), self.kernel).chunk(4, -1)
        j = self.norms['j'](j).tanh()
        i = self.norms['i'](i + self.peephole_i * cell).sigmoid()
        f = (self.norms['f'](f + self.peephole_f * cell) + 1).sigmoid()
        new = cell * f + i * j
        o = self.norms['o'](o + self.peephole_o * new).sigmoid()
        new = self.norms['c'](new)
        return new, o * new.tanh()


class ConvLSTM(nn.Module):
    """Runs a :class:`ConvLSTMCell` over a sequence of maps, from a state of zeros.

    Args:
        channels: of the maps.
        grid: rows and columns of the maps.
    """

    def __init__(self, channels: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.cell = ConvLSTMCell(channels, grid)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Read maps ``[B, H, W, C]``; return the last hidden state, of the same shape."""
        state = (torch.zeros_like(maps[0]), torch.zeros_like(maps[0]))
        for x in maps:
            state = self.cell(x, state)
        return state[1]
