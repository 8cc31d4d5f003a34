# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Training curves out of mmengine's ``<work dir>/<timestamp>/vis_data/scalars.json``."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mmengine.logging import print_log

from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines

Curve = dict[int, float]
VALIDATION_SCORES = ('oIoU', 'mIoU', 'P@0.5')
_NOT_CURVES = {'step', 'iter', 'epoch', 'time', 'data_time', 'memory'}


@dataclass
class TrainingScalars:
    """Scalars of one training, over all its resumed runs.

    Attributes:
        train: name (``loss``, ``decode.loss_mask``, ``lr``) to {iteration: value}.
        val: name (``oIoU``) to {epoch, or iteration if logged so: value}.
        runs: the number of runs they come from.
        last_epoch: the last epoch in which a training step was logged, 0 if epochs are not logged.
    """

    train: dict[str, Curve] = field(default_factory=dict)
    val: dict[str, Curve] = field(default_factory=dict)
    runs: int = 0
    last_epoch: int = 0

    def losses(self) -> dict[str, Curve]:
        """Return the curves whose name contains ``loss``."""
        return {name: curve for name, curve in self.train.items() if 'loss' in name}

    def learning_rates(self) -> dict[str, Curve]:
        """Return the curves of the learning rates."""
        return {name: curve for name, curve in self.train.items() if name.endswith('lr')}


def read_scalars(work_dir: str | os.PathLike[str]) -> TrainingScalars:
    """Read all training runs in a work dir, oldest first.

    A resumed run replaces what earlier runs logged from its first step on. Runs without a training
    step (``tools/test.py``) are left out.

    Raises:
        DataError: if there is no training log, or one is damaged before its last line.
    """
    scalars = TrainingScalars()
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        records = _read_records(path)
        train, val = _split_records(records)
        if train:
            _replace_from_first_step(scalars.train, train)
            _replace_from_first_step(scalars.val, val)
            scalars.runs += 1
            scalars.last_epoch = max(record.get('epoch', 0) for record in records)
    if not scalars.runs:
        raise DataError(
            f'no training log in {work_dir}: expected <timestamp>/vis_data/scalars.json in it; '
            'give the --work-dir of tools/train.py'
        )
    return scalars


def plot_curves(work_dir: str | os.PathLike[str], out_file: str | os.PathLike[str]) -> None:
    """Draw loss, its terms, learning rate and validation scores of a work dir into a PNG.

    Raises:
        DataError: see :func:`read_scalars`.
    """
    scalars = read_scalars(work_dir)
    terms = scalars.losses()
    total = {'loss': terms.pop('loss')} if 'loss' in terms else {}
    scores = {name: scalars.val[name] for name in VALIDATION_SCORES if name in scalars.val}

    figure = Figure(figsize=(15, 9), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    runs = f'{scalars.runs} run' + ('s' if scalars.runs > 1 else '')
    figure.suptitle(f'{Path(work_dir).resolve().name} ({runs})')
    _draw(axes[0, 0], total, 'total loss', 'iteration')
    _draw(axes[0, 1], dict(sorted(terms.items())), 'loss terms', 'iteration')
    _draw(axes[1, 0], scalars.learning_rates(), 'learning rate', 'iteration')
    _draw(axes[1, 1], scores, 'validation', _validation_axis(scalars))
    if terms and all(value > 0 for curve in terms.values() for value in curve.values()):
        axes[0, 1].set_yscale('log')
    axes[1, 1].set_ylabel('%')
    axes[1, 1].set_ylim(0, 100)
    out_file = Path(out_file)
    out_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_file, dpi=100)


def _read_records(path: Path) -> list[dict[str, Any]]:
    records = []
    lines = list(read_lines(path))
    for number, line in lines:
        try:
            records.append(parse_object(line, f'{path}, line {number}'))
        except DataError:
            if number < lines[-1][0]:
                raise
            print_log(
                f'{path}: the last line is cut off (the run was killed) and left out',
                logger='current',
                level=logging.WARNING,
            )
    return records


def _split_records(records: list[dict[str, Any]]) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Curves of the training records (those with a learning rate) and of the validation records."""
    train: dict[str, Curve] = {}
    val: dict[str, Curve] = {}
    for record in records:
        curves = train if any(name.endswith('lr') for name in record) else val
        for name, value in record.items():
            if name not in _NOT_CURVES and isinstance(value, (int, float)):
                curves.setdefault(name, {})[record['step']] = float(value)
    return train, val


def _replace_from_first_step(curves: dict[str, Curve], newer: dict[str, Curve]) -> None:
    first = min((step for curve in newer.values() for step in curve), default=math.inf)
    for name in list(curves):
        curves[name] = {step: value for step, value in curves[name].items() if step < first}
        if not curves[name] and name not in newer:
            del curves[name]
    for name, curve in newer.items():
        curves.setdefault(name, {}).update(curve)


def _validation_axis(scalars: TrainingScalars) -> str:
    """Tell whether validation is logged by epoch (``log_metric_by_epoch``)."""
    last_val = max((step for curve in scalars.val.values() for step in curve), default=0)
    return 'epoch' if last_val <= scalars.last_epoch else 'iteration'


def _draw(axes: Axes, curves: dict[str, Curve], title: str, x_label: str) -> None:
    """One diagram: a line per curve, points where there are few, a legend beside it."""
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not curves:
        axes.text(0.5, 0.5, 'none logged', ha='center', va='center', transform=axes.transAxes)
        return
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(
            *zip(*sorted(curve.items()), strict=True),
            label=name,
            marker='o' if len(curve) <= 50 else None,
            markersize=4,
            color=f'C{i % 10}',
            linestyle=('-', '--', ':', '-.')[i // 10 % 4],
        )
    beside = dict(loc='center left', bbox_to_anchor=(1, 0.5)) if len(curves) > 3 else {}
    axes.legend(fontsize='x-small', **beside)
