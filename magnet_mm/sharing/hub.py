# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Shared models on the Hugging Face hub, through its own client."""

from __future__ import annotations

import os
import re
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from magnet_mm.errors import ConfigError
from magnet_mm.sharing.shared_folder import CARD, CONFIG, SCORES, TOKENIZER, WEIGHTS

_NAME = re.compile(r'(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?')


def is_hub_name(text: str) -> bool:
    """Say whether a text has the form ``owner/name`` or ``owner/name@revision``."""
    return _NAME.fullmatch(text) is not None


def download_folder(name: str) -> Path:
    """Return the local copy of a repository's shared model; only the files of the format are taken.

    Args:
        name: ``owner/name``, or ``owner/name@revision`` with a branch, tag or commit.

    Raises:
        ConfigError: It cannot be had; the message has the client's reason.
    """
    parts = _NAME.fullmatch(name)
    patterns = [CONFIG, WEIGHTS, f'{TOKENIZER}/*', SCORES, CARD]
    try:
        return Path(
            snapshot_download(parts['repo'], revision=parts['revision'], allow_patterns=patterns)
        )
    except Exception as error:  # of the hub, the network and the disk, from several libraries
        raise ConfigError(
            f'{name} is no folder here, and the hub did not give it '
            f'({type(error).__name__}: {error}). Check the name, the network, and for a private '
            'one the login (hf auth login).'
        ) from error


def push_folder(
    folder: str | os.PathLike[str], name: str, private: bool = False, token: str | None = None
) -> str:
    """Upload a shared model's folder as one commit; the repository is made where it is new.

    Args:
        folder: What :func:`magnet_mm.sharing.shared_folder.write_folder` wrote.
        name: ``owner/name``.
        private: Whether a new repository is private.
        token: The hub's token; by default that of ``hf auth login``.

    Returns:
        The address of the commit.

    Raises:
        ConfigError: The hub refused, or could not be reached.
    """
    api = HfApi(token=token, library_name='magnet_mm')
    try:
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message='Upload'))
    except Exception as error:  # see above
        raise ConfigError(
            f'{name} was not uploaded ({type(error).__name__}: {error}). Check the name, the '
            'network and the login (hf auth login).'
        ) from error
