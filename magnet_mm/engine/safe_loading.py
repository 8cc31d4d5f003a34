# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmengine's checkpoint loaders, made to read with ``weights_only=True`` always.

Importing this module re-registers every scheme of ``CheckpointLoader`` (local files, http,
``open-mmlab://`` ...). The stock loaders leave ``weights_only`` to torch, whose default runs code
from the file below torch 2.6, and the loader of ``onedl-mmengine`` retries an unsafe file with
``weights_only=False``. The published LAVT and MagNet files hold an ``argparse.Namespace``, the
only class allowed on top of torch's own list.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import os
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.runner import CheckpointLoader

from magnet_mm.engine.checkpoint_files import archive_damage
from magnet_mm.errors import CheckpointError

_FORCE_SAFE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_FORCE_UNSAFE = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


@contextlib.contextmanager
def weights_only_loading() -> Iterator[None]:
    """Make every ``torch.load`` inside the block safe, whatever its caller asks for.

    Uses torch's own switch ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` (it overrules an explicit
    ``weights_only=False``, torch 1.13 and later) and allows ``argparse.Namespace`` where torch can
    allow a class for a block (2.5 and later).
    """
    saved = {name: os.environ.get(name) for name in (_FORCE_SAFE, _FORCE_UNSAFE)}
    os.environ[_FORCE_SAFE] = '1'
    os.environ.pop(_FORCE_UNSAFE, None)
    safe_globals = getattr(torch.serialization, 'safe_globals', None)
    try:
        with safe_globals([argparse.Namespace]) if safe_globals else contextlib.nullcontext():
            yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def make_safe(loader: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a ``CheckpointLoader`` scheme so that it cannot run code from the file.

    The wrapped loader raises :class:`CheckpointError` when the file holds other objects than
    tensors and plain types, or is damaged (the checksums of a local file are compared).
    """
    if getattr(loader, 'reads_weights_only', False):
        return loader

    @functools.wraps(loader)
    def load_weights_only(filename: str, *args: Any, **kwargs: Any) -> Any:
        damage = archive_damage(filename) if os.path.isfile(filename) else None
        if damage is not None:
            raise CheckpointError(_explain_damage(filename, damage))
        try:
            with weights_only_loading():
                return loader(filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            raise CheckpointError(_explain_refusal(filename, str(error))) from None
        except (EOFError, OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and 'PytorchStreamReader' not in str(error):
                raise
            # A truncated zip makes torch seek to a negative position: "Invalid argument".
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            reason = str(error) or 'it ends too early'
            raise CheckpointError(_explain_damage(filename, reason)) from error

    load_weights_only.reads_weights_only = True
    return load_weights_only


def register_safe_loaders() -> None:
    """Re-register every scheme of mmengine's ``CheckpointLoader`` with its safe form."""
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        CheckpointLoader.register_scheme(prefix, make_safe(loader), force=True)


def _explain_damage(filename: str, reason: str) -> str:
    return (
        f'{filename} is damaged or incomplete ({reason}). Download or copy it again. To go on with '
        'a training, --resume without a file takes the newest intact checkpoint of the work dir.'
    )


def _explain_refusal(filename: str, reason: str) -> str:
    name = re.search(r'GLOBAL ([\w.]+)', reason)
    if name is None:
        return (
            f'{filename} is not a checkpoint that torch can read with weights_only=True: '
            f'{reason.strip().splitlines()[0]} Check that it is a complete .pth file and not, say, '
            'a web page saved in its place.'
        )
    return (
        f'{filename} holds {name.group(1)}, which is neither a tensor nor a plain type; loading it '
        'could run code, so it was refused. If you trust the file, take its weights out once, on a '
        "machine where that does no harm: torch.save({'state_dict': torch.load(FILE, "
        "weights_only=False)['state_dict']}, NEW_FILE). Checkpoints that magnet_mm writes, and the "
        'published LAVT and MagNet files, load as they are.'
    )


register_safe_loaders()
