# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The probability above which a model answers "nothing is meant", kept in its checkpoint.

It stands in ``meta['no_target_threshold']``: the hook of that name gives it to the model of a test,
the inferencer to its own. It is chosen on val by
``tools/analysis_tools/choose_no_target_threshold.py`` (docs/no_target.md).
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.runner import CheckpointLoader

from magnet_mm.atomic_files import write_atomically
from magnet_mm.errors import CheckpointError

KEY = 'no_target_threshold'


def stored_threshold(checkpoint: Mapping[str, Any]) -> float | None:
    """Return the threshold of a loaded checkpoint; None where it has none.

    Raises:
        CheckpointError: It is no probability between 0 and 1.
    """
    meta = checkpoint.get('meta')
    threshold = meta.get(KEY) if isinstance(meta, Mapping) else None
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise CheckpointError(f"The checkpoint's meta['{KEY}'] is no number; write it again.")
    if not 0 < threshold < 1:
        raise CheckpointError(
            f"The checkpoint's meta['{KEY}'] is {threshold}, not a probability between 0 and 1. "
            'Choose it again with tools/analysis_tools/choose_no_target_threshold.py.'
        )
    return float(threshold)


def store_threshold(path: str | os.PathLike[str], threshold: float) -> None:
    """Write the threshold into a checkpoint file, which is replaced whole or not at all.

    Raises:
        CheckpointError: The file cannot be read, or holds no ``state_dict``.
    """
    checkpoint = CheckpointLoader.load_checkpoint(os.fspath(path), map_location='cpu')
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), Mapping):
        raise CheckpointError(f'{path} has no state_dict; give a .pth file of tools/train.py.')
    checkpoint['meta'] = {**(checkpoint.get('meta') or {}), KEY: float(threshold)}
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_atomically(path, content.getvalue())
