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
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.runner import CheckpointLoader

from magnet_mm.engine.checkpointing.archive import archive_damage
from magnet_mm.engine.checkpointing.safetensors_files import SUFFIX, read_safetensors
from magnet_mm.errors import CheckpointError
from magnet_mm.text_safety import printable

_FORCE_SAFE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_FORCE_UNSAFE = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
_ONE_AT_A_TIME = threading.RLock()  # the switch belongs to the process, not to a thread


@contextlib.contextmanager
def weights_only_loading() -> Iterator[None]:
    """Make every ``torch.load`` inside the block safe, whatever its caller asks for.

    Uses torch's own switch ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` (it overrules an explicit
    ``weights_only=False``, torch 1.13 and later) and allows ``argparse.Namespace`` where torch can
    allow a class for a block (2.5 and later). Other threads wait for the block to end.
    """
    with _ONE_AT_A_TIME:
        with _forced_weights_only():
            yield


@contextlib.contextmanager
def _forced_weights_only() -> Iterator[None]:
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
    tensors and plain types, or is damaged (the checksums of a local file are compared); the message
    names the file.
    """
    if getattr(loader, 'reads_weights_only', False):
        return loader

    @functools.wraps(loader)
    def load_weights_only(filename: str, *args: Any, **kwargs: Any) -> Any:
        if filename.endswith(SUFFIX) and os.path.isfile(filename):
            return read_safetensors(filename)
        refuse_program_formats(filename)
        damage = archive_damage(filename) if os.path.isfile(filename) else None
        if damage is not None:
            raise CheckpointError(_explain_damage(filename, damage))
        try:
            with weights_only_loading():
                checkpoint = loader(filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            raise CheckpointError(_explain_refusal(filename, str(error))) from None
        except CheckpointError:
            raise
        except Exception as error:  # a damaged file makes torch raise nearly anything
            if not _is_about_the_content(error, filename):
                raise
            reason = printable(error, 300) or 'it ends too early'
            raise CheckpointError(_explain_damage(filename, reason)) from error
        return without_config_text(checkpoint)

    load_weights_only.reads_weights_only = True
    return load_weights_only


def refuse_program_formats(filename: str) -> None:
    """Refuse local files in the two formats of ``torch.load`` that are no state dicts.

    A TorchScript archive is a program. The tar format of torch < 0.4 is unpickled without
    ``weights_only`` by torch < 2.6 (CVE-2025-32434). Newer versions refuse both.

    Raises:
        CheckpointError: The file has one of these formats.
    """
    path = os.path.expanduser(filename)
    if not os.path.isfile(path):
        return
    found = None
    with open(path, 'rb') as file:
        starts_as_zip = file.read(4) == b'PK\x03\x04'  # how torch tells the formats apart
    if starts_as_zip:
        with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
            if any(name.rpartition('/')[2] == 'constants.pkl' for name in archive.namelist()):
                found = 'a TorchScript archive, which is a program'
    elif _is_tar(path):
        found = 'in the tar format of torch < 0.4, which cannot be read safely'
    if found:
        raise CheckpointError(
            f'{filename} is {found}; loading it could run code, so it was refused. Save its '
            "weights with torch.save({'state_dict': model.state_dict()}, NEW_FILE), on a machine "
            'where loading it does no harm.'
        )


def without_config_text(checkpoint: Any) -> Any:
    """Drop ``meta['config']`` from a loaded checkpoint, in place, and return the checkpoint.

    ``Runner.resume`` runs that text as Python. No checkpoint that mmengine 0.10 writes has it (its
    own text is ``meta['cfg']``), so only a file made to run code can.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return checkpoint


def _is_tar(path: str) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (OSError, ValueError, EOFError):  # unreadable as tar
        return False


def _is_about_the_content(error: Exception, filename: str) -> bool:
    """Whether an error while loading comes from the file's content.

    The file system, the network and the device have errors of their own, which stay as they are. A
    truncated zip makes torch seek to a negative position: "Invalid argument".
    """
    if isinstance(error, OSError):
        return error.errno == errno.EINVAL
    if isinstance(error, EOFError) or 'PytorchStreamReader' in str(error):
        return True
    if not os.path.isfile(os.path.expanduser(filename)):  # another scheme's own trouble
        return False
    return not any(part in str(error) for part in ('CUDA', 'deserialize object on'))


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
