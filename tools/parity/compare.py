# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Differences, tolerances, and the table of both."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
from rich.table import Table
from torch import Tensor

from parity.golden import Case


class Row(NamedTuple):
    """One comparison.

    Attributes:
        case: where the stored value stands.
        name: of the value.
        difference: absolute or relative, as the tolerance is meant; NaN if it was not compared.
        tolerance: the largest difference that is rounding.
        note: why it was not compared.
    """

    case: str
    name: str
    difference: float
    tolerance: float
    note: str = ''

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


def compare_case(
    name: str,
    case: Case,
    outputs: Mapping[str, Tensor],
    full: Sequence[str],
    tolerance: Mapping[str, float],
    not_computed: Container[str] = (),
) -> list[Row]:
    """Compare everything that a case stores.

    Args:
        name: of the case.
        case: stored arrays.
        outputs: our tensors, by the stored names.
        full: names of arrays stored in full (logits and the like).
        tolerance: by name; ``logits`` for the full ones, ``taps`` for all others.
        not_computed: names that are left out, because they change nothing.
    """
    rows = []
    for key in [*(key for key in full if key in case), *case.names()]:
        if key in not_computed:
            continue
        limit = tolerance.get(key, tolerance['logits' if key in full else 'taps'])
        if key not in outputs:
            rows.append(Row(name, key, float('nan'), limit, 'our model does not give it'))
            continue
        try:
            difference = case.difference(key, outputs[key].detach().cpu().numpy())
        except ValueError as error:
            rows.append(Row(name, key, float('nan'), limit, str(error)))
        else:
            rows.append(Row(name, key, difference, limit))
    return rows


def relative_rows(
    name: str, case: Case, outputs: Mapping[str, Tensor], system: ModuleType
) -> list[Row]:
    """Compare the numbers that a system names in ``RELATIVE``."""
    return [
        Row(
            name,
            key,
            relative(outputs[key].item(), case[key]),
            system.TOLERANCE['losses'],
        )
        for key in getattr(system, 'RELATIVE', ())
        if key in case
    ]


def relative(ours: Tensor | np.ndarray | float, stored: np.ndarray | float) -> float:
    """Largest difference over the largest stored value; for loss terms and gradients."""
    ours, stored = np.asarray(ours, np.float64), np.asarray(stored, np.float64)
    return float(np.abs(ours - stored).max() / max(np.abs(stored).max(), 1e-30))


def table_of(rows: Sequence[Row], title: str) -> Table:
    """Make the table that the tool prints."""
    table = Table('case', 'tensor', 'difference', 'tolerance', '', title=title)
    for row in rows:
        verdict = 'ok' if row.passed else f'FAILED {row.note}'
        table.add_row(row.case, row.name, f'{row.difference:.2e}', f'{row.tolerance:.0e}', verdict)
    return table
