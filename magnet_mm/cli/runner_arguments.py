# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The arguments that training and evaluation share, those of mmseg's tools."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from mmengine.config import Config, DictAction

from magnet_mm.apis import find_config
from magnet_mm.engine.run_setup import runtime


def parse_runner_arguments(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Add the shared arguments, parse, and set ``LOCAL_RANK`` where the launcher did not."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override config values: key=value; nested key.sub=value; lists key="[a,b]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args(arguments)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def read_config(args: argparse.Namespace) -> Config:
    """Return the config that the arguments name, with their changes."""
    config = str(find_config(args.config))
    return runtime.load_config(config, args.cfg_options, args.work_dir, args.launcher)
