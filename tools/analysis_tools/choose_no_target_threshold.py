# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Chooses the probability above which a model answers "nothing is meant", and stores it.

``python tools/analysis_tools/choose_no_target_threshold.py CONFIG CHECKPOINT`` evaluates the
config's val split, prints N-acc, T-acc and gIoU by threshold, and writes the threshold of the
largest gIoU into the checkpoint (``meta['no_target_threshold']``), where tests and the inferencer
find it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from magnet_mm.cli.runner_arguments import parse_runner_arguments, read_config
from magnet_mm.engine.checkpointing.no_target_threshold import store_threshold
from magnet_mm.engine.run_setup import runtime
from magnet_mm.evaluation.no_target_threshold import ThresholdRow, best_row


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, or the name of a shipped config')
    parser.add_argument('checkpoint', help='checkpoint file; it is written')
    parser.add_argument('--split', default='val', help='split to choose on (default val)')
    parser.add_argument('--dry-run', action='store_true', help='leave the checkpoint as it is')
    parser.add_argument('--work-dir', help='where the log goes')
    return parse_runner_arguments(parser, arguments)


def main(arguments: Sequence[str] | None = None) -> float:
    """Evaluate, print the table, store the threshold and return it."""
    args = parse_args(arguments)
    cfg = read_config(args)
    runtime.test_from(cfg, args.checkpoint)
    metric = dict(cfg.test_evaluator, type='NoTargetThresholdMetric')
    cfg.test_evaluator = metric
    cfg.test_dataloader.dataset.split = args.split
    runtime.fit_to_machine(cfg, training=False)
    runner = runtime.build_runner(cfg)
    runner.test()
    rows = runner.test_loop.evaluator.metrics[0].rows
    best = best_row(rows)
    print(table(rows, best))
    if not args.dry_run:
        store_threshold(args.checkpoint, best.threshold)
        print(f'{args.checkpoint}: no_target_threshold is {best.threshold}.')
    return best.threshold


def table(rows: Sequence[ThresholdRow], best: ThresholdRow) -> str:
    """Rows as text; the chosen one has a star."""
    lines = [f'{"threshold":>9} {"N-acc":>7} {"T-acc":>7} {"gIoU":>7}']
    lines += [
        f'{row.threshold:9.2f} {row.n_acc:7.2f} {row.t_acc:7.2f} {row.giou:7.2f}'
        + (' *' if row == best else '')
        for row in rows
    ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
