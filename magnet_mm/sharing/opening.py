# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""From a name to a shared model: the one in the box, a folder, or one of the hub."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config

from magnet_mm.errors import CheckpointError
from magnet_mm.sharing.box import box_folder
from magnet_mm.sharing.hub import download_folder, is_hub_name
from magnet_mm.sharing.shared_folder import read_folder


def open_shared(source: str | os.PathLike[str] | None) -> tuple[Config, Path]:
    """Return config and weights of a shared model, see :func:`read_folder`.

    Args:
        source: A folder, ``owner/name`` or ``owner/name@revision`` on the hub, or None for the
            model in the box.

    Raises:
        CheckpointError: It is none of these.
        ConfigError: The folder may not be opened, or the hub does not have it.
    """
    if source is None:
        return read_folder(box_folder())
    name = os.path.expanduser(os.fspath(source))
    if os.path.isdir(name):
        return read_folder(name)
    if is_hub_name(name) and not name.endswith('.py'):
        return read_folder(download_folder(name))
    raise CheckpointError(
        f'{name} is neither the folder of a shared model nor its owner/name on the hub. A config '
        'needs weights: without, every mask is random.'
    )
