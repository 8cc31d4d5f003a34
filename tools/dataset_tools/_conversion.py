# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the converters of annotation files share: running, messages, exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import _importable  # noqa: E402, F401

from magnet_mm.errors import DataError  # noqa: E402


def convert(conversion: Callable[[], int], out: Path, what: str) -> int:
    """Run a conversion and say what was written; 1 after a `DataError`, else 0."""
    try:
        count = conversion()
    except DataError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{out}: {count:,} {what} written.')
    return 0
