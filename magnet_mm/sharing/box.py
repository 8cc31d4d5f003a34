# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The model in the box: a small trained one that travels with the package.

``make box`` writes it from the run of ``make demo`` (``tools/write_box.py``).
"""

from __future__ import annotations

from pathlib import Path

from magnet_mm.errors import ConfigError

NAME = 'magnet_tiny_refshapes'
FOLDER = Path(__file__).resolve().parents[1] / 'pretrained' / NAME
SAMPLE = 'sample.png'


def box_folder() -> Path:
    """Return the folder of the model in the box.

    Raises:
        ConfigError: This copy of the package has none.
    """
    if not (FOLDER / 'config.json').is_file():
        raise ConfigError(
            f'There is no model in {FOLDER}. Write it with make demo and make box, or name a '
            'config and weights.'
        )
    return FOLDER


def sample_picture() -> tuple[Path, list[str]]:
    """Return a picture that the model in the box understands, and sentences about it."""
    picture = box_folder() / SAMPLE
    return picture, picture.with_suffix('.txt').read_text(encoding='utf-8').splitlines()
