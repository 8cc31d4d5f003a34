# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a JSON-lines file of own data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnet_mm.datasets.checking.findings import Findings
from magnet_mm.datasets.checking.instances import Track


@dataclass
class OwnFile:
    """Counts of a JSON-lines file."""

    path: Path
    refs: int = 0
    images: int = 0
    expressions: int = 0
    present: str = '-'
    splits: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            'file': self.path.name,
            'splits': self.splits,
            'refs': self.refs,
            'images': self.images,
            'expressions': self.expressions,
        }


def check_own(path: Path, contents: bool, findings: Findings, track: Track) -> OwnFile:
    """Checks one file."""
    return OwnFile(path)
