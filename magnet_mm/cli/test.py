# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Evaluates a checkpoint: ``python tools/test.py CONFIG CHECKPOINT [--splits val testA testB]``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from magnet_mm.cli.runner_arguments import parse_runner_arguments, read_config
from magnet_mm.engine.run_setup import runtime, split_evaluation
from magnet_mm.engine.run_setup.host_memory import keep_freed_memory
from magnet_mm.engine.run_setup.processor_threads import use_free_cores
from magnet_mm.interruption import exit_on_sigterm


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line (mmseg's arguments, and --splits and --json)."""
    parser = argparse.ArgumentParser(description='Evaluate a referring segmentation model.')
    parser.add_argument('config', help='config file, or the name of a shipped config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--splits',
        nargs='+',
        metavar='SPLIT',
        help='splits to evaluate, for example: val testA testB; a name ending in _shuffled or '
        "_blank is the control with permuted or empty sentences (default: the config's split)",
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        metavar='N',
        help='sentences per batch, those of one image together (default: as in the config)',
    )
    parser.add_argument('--json', metavar='FILE', help='write the scores of all splits to FILE')
    parser.add_argument('--work-dir', help='where the log goes')
    parser.add_argument('--out', metavar='DIR', help='write per-item results to DIR/<split>')
    parser.add_argument('--show', action='store_true', help='show the predictions')
    parser.add_argument('--show-dir', metavar='DIR', help='write overlays to DIR')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between shown images')
    parser.add_argument('--tta', action='store_true', help="test-time augmentation (config's)")
    return parse_runner_arguments(parser, arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate each split, print one table."""
    args = parse_args(arguments)
    exit_on_sigterm()
    cfg = read_config(args)
    runtime.test_from(cfg, args.checkpoint)
    if args.show or args.show_dir:
        runtime.draw_predictions(cfg, args.show, args.show_dir, args.wait_time)
    if args.tta:
        runtime.enable_test_time_augmentation(cfg)
    if args.batch_size is not None:
        runtime.batch_sentences(cfg, args.batch_size)
    runtime.fit_to_machine(cfg, training=False)
    keep_freed_memory()
    runner = runtime.build_runner(cfg)
    use_free_cores()
    results = split_evaluation.evaluate_splits(runner, args.splits, args.out)
    split_evaluation.report(results, args.json)
    runtime.leave_process_group()
