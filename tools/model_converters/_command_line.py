# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The command line that the converters share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401

from magnet_mm.errors import CheckpointError  # noqa: E402
from magnet_mm.released import (  # noqa: E402
    KeyMap,
    PublishedCheckpoint,
    convert_checkpoint,
    read_published,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def run(
    key_map: KeyMap,
    description: str,
    arguments: Sequence[str] | None = None,
    read: Callable[[Path], PublishedCheckpoint] = read_published,
) -> None:
    """Convert one file; exits with status 1 and the list of problems when it does not fit."""
    default = CONFIGS / key_map.config
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('source', type=Path, metavar='SRC', help='the published file')
    parser.add_argument('destination', type=Path, metavar='DST', help='the .pth file to write')
    parser.add_argument(
        '--config',
        type=Path,
        default=default,
        help=f'config of the model that takes the weights (default: {default.name})',
    )
    args = parser.parse_args(arguments)
    if not args.config.is_file():
        parser.error(f'the config {args.config} does not exist')
    try:
        meta = convert_checkpoint(args.source, args.destination, key_map, args.config, read)
    except CheckpointError as error:
        sys.exit(f'{Path(sys.argv[0]).name}: {error}')
    print(f'{args.destination}: {meta["layout"]} weights for {meta["config"]}')
