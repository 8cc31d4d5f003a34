# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Finds a config by path or by the name of a shipped one."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from magnet_mm.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]


def config_folder() -> Path:
    """Return the folder of the shipped configs: the checkout's ``configs``, or the installed copy.

    An installed package keeps them in ``magnet_mm/.mim/configs``, where MIM looks too.

    Raises:
        ConfigError: If the package was installed without them.
    """
    for folder in (_PACKAGE.parent / 'configs', _PACKAGE / '.mim' / 'configs'):
        if (folder / '_base_' / 'default_runtime.py').is_file():
            return folder
    raise ConfigError(
        f'The shipped configs are neither beside {_PACKAGE} nor in it. Give the path of a config '
        'file, or reinstall magnet_mm.'
    )


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs: name (``magnet_swinb_refcoco``) to file, sorted by name."""
    return {path.stem: path for path in sorted(config_folder().glob('*.py'))}


def find_config(path_or_name: str | os.PathLike[str]) -> Path:
    """Return the config file that a path, or the name of a shipped config, stands for.

    Args:
        path_or_name: ``my/config.py``, or ``magnet_swinb_refcoco`` with or without ``.py``.

    Raises:
        ConfigError: If there is neither; the message lists the names most like it.
    """
    text = os.fspath(path_or_name)
    if os.path.isfile(text):
        return Path(text)
    shipped = shipped_configs()
    name = Path(text).name.removesuffix('.py')
    if name in shipped and Path(text).parent in (Path('.'), Path('configs')):
        return shipped[name]
    similar = difflib.get_close_matches(name, shipped, n=5, cutoff=0.5)
    hint = f'Did you mean {", ".join(similar)}?' if similar else f'Shipped: {", ".join(shipped)}.'
    raise ConfigError(
        f'There is no config file {text!r} and no shipped config of that name. {hint}'
    )


def is_config(name: str | os.PathLike[str] | None) -> bool:
    """Say whether :func:`find_config` finds a config by this name."""
    try:
        return name is not None and find_config(name).is_file()
    except ConfigError:
        return False
