# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Where vocabularies are found: shipped with the package, in a directory, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from magnet_mm.errors import ConfigError

SHIPPED_SCHEME = 'magnet_mm://'
SHIPPED_VOCABULARIES = Path(__file__).resolve().parent.parent / 'vocabularies'
WORDS_FILE = 'words.txt'


def resolve_tokenizer_path(name: str) -> str:
    """Return the local directory or hub name that a tokenizer's name in a config stands for.

    Args:
        name (str): `magnet_mm://<vocabulary>` for a vocabulary shipped with the package (such
            as `magnet_mm://refshapes`), a local directory (`~` allowed), or a hub name.

    Returns:
        str: A directory, or the hub name unchanged.

    Raises:
        ConfigError: The package ships no such vocabulary; the message lists those it does.
    """
    if name.startswith(SHIPPED_SCHEME):
        return str(_shipped(name))
    expanded = os.path.expanduser(name)
    return expanded if os.path.isdir(expanded) else name


def read_words(name: str) -> tuple[str, ...]:
    """Read a vocabulary of words, one a line; a word's line (from 0) is its id.

    Args:
        name (str): A text file (UTF-8, `~` allowed), or `magnet_mm://<vocabulary>`, whose
            `words.txt` it is.

    Raises:
        ConfigError: The file is not there, is no UTF-8 text, or holds a word twice.
    """
    shipped = name.startswith(SHIPPED_SCHEME)
    path = _shipped(name) / WORDS_FILE if shipped else Path(name).expanduser()
    try:
        words = tuple(path.read_text(encoding='utf-8').removesuffix('\n').split('\n'))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'The vocabulary {path} cannot be read ({error}). Build it from the training '
            'annotations: python tools/dataset_tools/build_vocabulary.py CONFIG'
        ) from error
    if len(set(words)) < len(words):
        twice = sorted({word for word in words if words.count(word) > 1})[:5]
        raise ConfigError(f'The vocabulary {path} holds {", ".join(map(repr, twice))} twice.')
    return words


def _shipped(name: str) -> Path:
    directory = SHIPPED_VOCABULARIES / name.removeprefix(SHIPPED_SCHEME)
    if not (directory / 'vocab.txt').is_file():
        shipped = sorted(path.parent.name for path in SHIPPED_VOCABULARIES.glob('*/vocab.txt'))
        raise ConfigError(
            f'"{name}": no such vocabulary in {SHIPPED_VOCABULARIES}. Shipped are: '
            f'{", ".join(SHIPPED_SCHEME + one for one in shipped) or "none"}.'
        )
    return directory
