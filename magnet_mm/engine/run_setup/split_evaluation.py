# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Evaluates one loaded model on several splits and prints one table."""

from __future__ import annotations

import copy
import json
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from rich.console import Console
from rich.table import Table

from magnet_mm.atomic_files import write_atomically
from magnet_mm.config_types import type_name
from magnet_mm.errors import ConfigError


def build_split_datasets(
    dataset: dict, splits: Sequence[str] | None = None, special: Mapping[str, dict] | None = None
) -> dict[str, Any]:
    """Build the test dataset once per split.

    Args:
        dataset: Config of a ``ReferringDataset``.
        splits: Splits of its refs file, or controls of one (``val_shuffled``, ``val_blank``). None
            means the split of the config.
        special: By split, under ``dataset``, what is changed in the config where the split is of
            another file (``special_splits`` of the config).

    Returns:
        The datasets by split.

    Raises:
        ConfigError: If ``splits`` are given and the dataset's config has no ``split``.
        DataError: If a split does not exist; the message lists the existing ones.
    """
    if splits is None:
        built = DATASETS.build(dataset)
        return {getattr(built, 'split_name', 'test'): built}
    if 'split' not in dataset:
        raise ConfigError(
            'tools/test.py --splits needs a test dataset with a split; test_dataloader.dataset is '
            f'a {type_name(dataset)} without one.'
        )
    plain = {key: value for key, value in dataset.items() if key != 'expressions'}
    changes = {split: (special or {}).get(split, {}).get('dataset', {}) for split in splits}
    return {
        split: DATASETS.build({**plain, **change, 'split': split})
        for split, change in changes.items()
    }


def evaluate_splits(
    runner: Runner, splits: Sequence[str] | None = None, output_dir: str | None = None
) -> dict[str, dict[str, float]]:
    """Evaluate the runner's model on each split; the checkpoint is loaded once.

    Args:
        runner: A runner whose config has ``test_dataloader``, ``test_evaluator``, ``test_cfg``,
            and maybe ``special_splits``, whose ``evaluator`` replaces the other.
        splits: Split names, see :func:`build_split_datasets`.
        output_dir: Where the metric writes per-item results, each split in a folder of its name.

    Returns:
        The metrics (percent) of each split.

    Raises:
        ConfigError, DataError: See :func:`build_split_datasets`; before anything is evaluated.
    """
    cfg = runner.cfg
    results = {}
    special = cfg.get('special_splits', {})
    datasets = build_split_datasets(cfg.test_dataloader.dataset, splits, special)
    for split, dataset in datasets.items():
        evaluator = copy.deepcopy(special.get(split, {}).get('evaluator', cfg.test_evaluator))
        if output_dir is not None:
            write_results_to(evaluator, osp.join(output_dir, split))
        runner._test_dataloader = {**cfg.test_dataloader, 'dataset': dataset}
        runner._test_evaluator = evaluator
        runner._test_loop = copy.deepcopy(cfg.test_cfg)
        results[split] = runner.test()
    return results


def write_results_to(evaluator: Any, output_dir: str) -> None:
    """Set ``output_dir`` of every metric of an evaluator config, in place."""
    for metric in evaluator if isinstance(evaluator, list | tuple) else [evaluator]:
        metric['output_dir'] = output_dir


def group_by_kind(metrics: dict[str, float]) -> dict[str, Any]:
    """Move the keys ``oIoU/<kind>`` into ``by_kind``: ``{'by_kind': {kind: {'oIoU': ..}}}``."""
    grouped: dict[str, Any] = {key: float(v) for key, v in metrics.items() if '/' not in key}
    for key, value in metrics.items():
        if '/' in key:
            name, kind = key.split('/', 1)
            grouped.setdefault('by_kind', {}).setdefault(kind, {})[name] = float(value)
    return grouped


def report(results: dict[str, dict[str, float]], json_file: str | None = None) -> None:
    """Print a table of the splits (percent) and write them as JSON, on the main process only.

    Splits with other scores than the first, such as pairs, have a table of their own.

    Args:
        results: What :func:`evaluate_splits` returned.
        json_file: Where to write ``{split: metrics grouped by :func:`group_by_kind`}``.
    """
    if not is_main_process():
        return
    for same in _of_one_metric(results):
        _print_table(same)
    if json_file is not None:
        grouped = {split: group_by_kind(metrics) for split, metrics in results.items()}
        write_atomically(json_file, (json.dumps(grouped, indent=2) + '\n').encode())


def _of_one_metric(results: dict[str, dict[str, float]]) -> list[dict[str, dict[str, float]]]:
    """Put the splits together that have the same scores, those by kind aside."""
    groups: dict[tuple[str, ...], dict[str, dict[str, float]]] = {}
    for split, metrics in results.items():
        names = tuple(name for name in metrics if '/' not in name)
        groups.setdefault(names, {})[split] = metrics
    return list(groups.values())


def _print_table(results: dict[str, dict[str, float]]) -> None:
    columns = list(dict.fromkeys(key for metrics in results.values() for key in metrics))
    table = Table(title='Referring segmentation (percent)')
    table.add_column('split')
    for column in columns:
        table.add_column(column, justify='right')
    for split, metrics in results.items():
        cells = [f'{metrics[column]:.2f}' if column in metrics else '-' for column in columns]
        table.add_row(split, *cells)
    console = Console()
    # a table narrower than its words would be cut where the output is not a terminal
    Console(width=max(console.width, 12 * (len(columns) + 1))).print(table)
