# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which checkpoint of a work directory a training goes on from."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from magnet_mm.engine.checkpointing.archive import archive_damage
from magnet_mm.engine.checkpointing.safe_loading import weights_only_loading
from magnet_mm.errors import CheckpointError

POINTER = 'last_checkpoint'
"""File in the work directory that names the last checkpoint (mmengine's)."""

TRAINING_STATE = ('state_dict', 'optimizer', 'message_hub')
"""What a checkpoint must hold to be resumed; its schedule too, where the config has one."""


def training_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Open a checkpoint for resuming; tensors stay on disk until they are read.

    Raises:
        CheckpointError: If it is damaged, unsafe, or holds weights only; the message is a reason
            without the file's name.
    """
    damage = archive_damage(path)
    if damage is not None:
        raise CheckpointError(damage)
    try:
        with weights_only_loading():
            checkpoint = torch.load(path, map_location='cpu', mmap=zipfile.is_zipfile(path))
    except Exception as error:  # of many kinds: the bytes are arbitrary
        raise CheckpointError(f'torch cannot read it: {str(error).splitlines()[0]}') from error
    absent = [
        key for key in TRAINING_STATE if not isinstance(checkpoint, dict) or key not in checkpoint
    ]
    if absent or not {'epoch', 'iter'} <= set(checkpoint.get('meta', ())):
        raise CheckpointError(f'it cannot be resumed, it lacks {", ".join(absent) or "its epoch"}')
    return checkpoint


@dataclass
class ResumePoint:
    """What ``--resume`` found in a work directory.

    Attributes:
        path: The checkpoint to go on from; None when there is none that can be used.
        refused: Why newer ones are not used, by file name.
    """

    path: str | None = None
    refused: dict[str, str] = field(default_factory=dict)


def find_resume_point(work_dir: str | os.PathLike[str]) -> ResumePoint:
    """Choose the checkpoint to resume from.

    That is the one which ``last_checkpoint`` names; in a work dir that was copied or moved, the
    file of that name in it. When it is damaged or missing, the checkpoint saved last among the
    intact ones beside it and in ``work_dir`` (its own record of the time counts: copying files
    changes theirs). Checkpoints named ``best_*`` hold no optimiser state.
    """
    pointer = Path(work_dir) / POINTER
    named = pointer.read_text(errors='replace').strip() if pointer.is_file() else None
    own = os.path.join(work_dir, os.path.basename(named)) if named else ''
    if (
        os.path.isfile(own)
        and '://' not in named
        and not _is_separate_folder(os.path.dirname(named))
    ):
        named = own
    found = ResumePoint()
    if named and '://' in named:
        return ResumePoint(named)
    if named and os.path.isfile(named):
        try:
            training_state(named)
            return ResumePoint(named)
        except CheckpointError as error:
            found.refused[named] = str(error)
    elif named is not None:
        found.refused[str(pointer)] = (
            f'it names {named!r}, which is not there' if named else 'it is empty'
        )

    folders = {str(work_dir)} | ({os.path.dirname(named)} if named else set())
    saved: list[tuple[str, int, str]] = []
    for folder in folders:
        for path in map(str, Path(folder or '.').glob('*.pth')):
            if os.path.basename(path).startswith('best_') or path in found.refused:
                continue
            try:
                meta = training_state(path)['meta']
            except CheckpointError as error:
                found.refused[path] = str(error)
            else:
                saved.append((str(meta.get('time', '')), int(meta['iter']), path))
    found.path = max(saved)[2] if saved else None
    return found


def _is_separate_folder(folder: str) -> bool:
    """Whether it is a checkpoint hook's ``out_dir``, not a work dir (which has a pointer)."""
    return os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, POINTER))
