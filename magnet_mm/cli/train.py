# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Trains a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] ...``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from magnet_mm.cli.runner_arguments import parse_runner_arguments, read_config
from magnet_mm.engine.run_setup import runtime
from magnet_mm.engine.run_setup.host_memory import keep_freed_memory
from magnet_mm.engine.run_setup.processor_threads import use_free_cores
from magnet_mm.interruption import exit_on_sigterm


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line (mmseg's arguments)."""
    parser = argparse.ArgumentParser(description='Train a referring segmentation model.')
    parser.add_argument('config', help='config file, or the name of a shipped config')
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from CHECKPOINT, or (no value, or "auto") from the last one of the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='train with mixed precision')
    return parse_runner_arguments(parser, arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train."""
    args = parse_args(arguments)
    exit_on_sigterm()
    cfg = read_config(args)
    if args.amp:
        runtime.enable_mixed_precision(cfg)
    runtime.resume_from(cfg, args.resume)
    runtime.fit_to_machine(cfg, training=True)
    keep_freed_memory()
    runner = runtime.build_runner(cfg)
    use_free_cores()
    runner.train()
    runtime.leave_process_group()
