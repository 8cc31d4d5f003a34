# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Repeat the computation of a loss that was NaN or infinite, from the dump of the training.

Example: ``python tools/analysis_tools/replay_loss.py work_dirs/x/nonfinite_loss/DUMP.pth``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.registry import init_default_scope

import magnet_mm  # noqa: F401  registers the components
from magnet_mm.engine.diagnostics import loss_dump
from magnet_mm.errors import CheckpointError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('dump', type=Path, help='file in WORK_DIR/nonfinite_loss')
    parser.add_argument(
        '--device', default='cpu', help='cpu, or cuda to repeat the random numbers of a GPU'
    )
    args = parser.parse_args(arguments)
    if not args.dump.is_file():
        sys.exit(f'replay_loss: there is no file {args.dump}')
    init_default_scope('mmseg')
    try:
        result = loss_dump.replay(str(args.dump), args.device)
    except CheckpointError as error:
        sys.exit(f'replay_loss: {error}')
    for name, value in result.losses.items():
        print(f'{name:32} {value}')
    if result.culprit:
        print(f'first output that is not finite: {result.culprit}')
    else:
        print('every module gave finite outputs: a loss itself, or nothing, is not finite')


if __name__ == '__main__':
    main()
