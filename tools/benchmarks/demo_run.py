# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a run of ``make demo`` measured, read from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader

from magnet_mm.errors import DataError

BEST = 'best_oIoU_epoch_*.pth'


def best_checkpoint(folder: Path) -> Path:
    """Return the run's best weights.

    Raises:
        DataError: There is not exactly one file of that name.
    """
    found = sorted(folder.glob(BEST))
    if len(found) != 1:
        raise DataError(f'{folder} has {len(found)} files {BEST}; run make demo first.')
    return found[0]


def read_demo_run(folder: Path) -> dict[str, Any]:
    """Return the run's scores and what its training took.

    Returns:
        ``scores`` (percent, by split, rounded to two places), ``steps``, ``epochs`` and
        ``seconds_per_step``, the mean of the logged times.

    Raises:
        DataError: A file of the run is absent.
    """
    try:
        last = folder / Path((folder / 'last_checkpoint').read_text(encoding='utf-8').strip()).name
        meta = CheckpointLoader.load_checkpoint(str(last), 'cpu', logger='silent')['meta']
        (log,) = folder.glob('*/vis_data/scalars.json')
        scores = json.loads((folder / 'results.json').read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise DataError(f'{folder} is not the folder of a finished demo ({error}).') from error
    lines = map(json.loads, log.read_text(encoding='utf-8').splitlines())
    times = [line['time'] for line in lines if 'loss' in line]
    return dict(
        scores=_rounded(scores),
        steps=meta['iter'],
        epochs=meta['epoch'],
        seconds_per_step=round(sum(times) / len(times), 3),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return round(value, 2) if isinstance(value, float) else value
