# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Ablation tables: a named set of configs, trained for several seeds, beside published numbers.

A set is a YAML file (``configs/ablations/``)::

    title: What Mask Grounding, CAM and CAL add to MagNet
    source: where the published column comes from
    metrics: [oIoU, mIoU]
    data:
      refshapes: {options: {train_cfg.max_epochs: 1}}   # a shorter schedule
      refcoco: {}
    rows:
      - label: baseline
        configs: {refshapes: magnet_tiny_baseline_refshapes.py, refcoco: ...}
        published: {oIoU: 72.7}                         # left out where none is known

One run is one row with one seed, in a folder of its own; ``run.json`` there says that it is done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

from magnet_mm.atomic_files import write_atomically
from magnet_mm.errors import ConfigError, DataError

# What changes the scores; hooks, loggers and the like do not.
_DECISIVE = (
    'model',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
    'train_cfg',
    'train_dataloader',
    'val_dataloader',
)


@dataclass(frozen=True)
class AblationRow:
    """One line of a table.

    Attributes:
        label: what the line is called.
        config: config file.
        published: metric name to published value (percent).
    """

    label: str
    config: Path
    published: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AblationSet:
    """A table to fill: its rows on one dataset.

    Attributes:
        name: name of the YAML file.
        title: heading of the table.
        source: where the published numbers come from.
        data: dataset the rows are trained on, a key of the file's ``data``.
        metrics: names of the metrics shown (percent).
        options: config values changed in every row, such as a shorter schedule.
        rows: the lines.
    """

    name: str
    title: str
    source: str
    data: str
    metrics: tuple[str, ...]
    options: dict[str, Any]
    rows: tuple[AblationRow, ...]


@dataclass(frozen=True)
class AblationRun:
    """One row with one seed.

    Attributes:
        row: what is trained.
        seed: ``randomness.seed``.
        work_dir: where its checkpoints, log and ``run.json`` are.
        options: config values changed from the row's config, the seed among them.
    """

    row: AblationRow
    seed: int
    work_dir: Path
    options: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Changes whenever model, data or schedule of the merged config do."""
        config = Config.fromfile(str(self.row.config))
        config.merge_from_dict(self.options)
        decisive = {key: config.get(key) for key in _DECISIVE}
        text = json.dumps(decisive, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def scores(self) -> dict[str, float] | None:
        """Metrics of a finished run (percent), None while it is not finished.

        Raises:
            ConfigError: when the run was made with another config than today's.
        """
        record_file = self.work_dir / 'run.json'
        if not record_file.exists():
            return None
        record = json.loads(record_file.read_text(encoding='utf-8'))
        if record['fingerprint'] != self.fingerprint:
            raise ConfigError(
                f'{self.work_dir} holds a run of another version of {self.row.config.name}; remove '
                'the folder to run it again, or choose another --work-dir.'
            )
        return record['scores']

    def finish(self, scores: dict[str, Any], seconds: float) -> None:
        """Write ``run.json``: the metrics of the run and how long it took in all, in seconds."""
        record = dict(
            config=self.row.config.name,
            seed=self.seed,
            options={key: str(value) for key, value in self.options.items()},
            fingerprint=self.fingerprint,
            seconds=round(seconds, 1),
            scores={key: value for key, value in scores.items() if not isinstance(value, dict)},
        )
        text = json.dumps(record, indent=2) + '\n'
        write_atomically(self.work_dir / 'run.json', text.encode())


def read_ablation_set(
    file: str | Path, data: str = 'refshapes', complete: bool = True
) -> AblationSet:
    """Read a set for one dataset.

    Args:
        file: YAML file; config files are named relative to the folder above it.
        data: a key of the file's ``data``.
        complete: False allows rows whose config does not exist.

    Raises:
        ConfigError: when the file, the dataset or, of a complete set, a config does not exist.
    """
    file = Path(file)
    if not file.is_file():
        known = ', '.join(sorted(path.stem for path in file.parent.glob('*.yml')))
        raise ConfigError(
            f'There is no ablation set {file.stem!r} in {file.parent}; known: {known}'
        )
    content = yaml.safe_load(file.read_text(encoding='utf-8'))
    if data not in content['data']:
        raise ConfigError(
            f'{file} is not made for {data!r}, only for: {", ".join(content["data"])}'
        )
    rows = []
    for row in content['rows']:
        config = file.parent.parent / row['configs'][data]
        if complete and not config.is_file():
            raise ConfigError(f'{file}: row {row["label"]!r} names {config}, which does not exist.')
        rows.append(AblationRow(row['label'], config, row.get('published') or {}))
    return AblationSet(
        name=file.stem,
        title=content['title'],
        source=content['source'],
        data=data,
        metrics=tuple(content['metrics']),
        options=(content['data'][data] or {}).get('options') or {},
        rows=tuple(rows),
    )


def plan_runs(
    ablation: AblationSet, seeds: Sequence[int], work_dir: str | Path
) -> list[AblationRun]:
    """All runs of a set, seed by seed, so that an early stop leaves whole tables."""
    folder = _folder(ablation, work_dir)
    return [
        AblationRun(
            row=row,
            seed=seed,
            work_dir=folder / row.config.stem / f'seed{seed}',
            options={**ablation.options, 'randomness.seed': seed},
        )
        for seed in seeds
        for row in ablation.rows
    ]


def seeds_on_disk(ablation: AblationSet, work_dir: str | Path) -> set[int]:
    """Seeds with at least one finished run of the set."""
    records = _folder(ablation, work_dir).glob('*/seed*/run.json')
    return {json.loads(record.read_text(encoding='utf-8'))['seed'] for record in records}


def summarise(ablation: AblationSet, runs: Sequence[AblationRun]) -> list[dict[str, Any]]:
    """One dict per row: ``label``, ``seeds`` and, per metric, the values and what is published.

    Raises:
        DataError: when a finished run lacks one of the set's metrics.
    """
    summary = []
    for row in ablation.rows:
        done = [(run.seed, run.scores()) for run in runs if run.row == row]
        done = [(seed, scores) for seed, scores in done if scores is not None]
        line: dict[str, Any] = dict(label=row.label, seeds=[seed for seed, _ in done])
        for metric in ablation.metrics:
            absent = [seed for seed, scores in done if metric not in scores]
            if absent:
                raise DataError(
                    f'The runs of {row.config.name} with seeds {absent} have no {metric}; remove '
                    'their folders and run them again.'
                )
            line[metric] = [scores[metric] for _, scores in done]
            line[f'published {metric}'] = row.published.get(metric)
        summary.append(line)
    return summary


def to_markdown(ablation: AblationSet, summary: Sequence[dict[str, Any]]) -> str:
    """Return the table in Markdown: mean, and smallest to largest value over the seeds."""
    shown = [
        metric
        for metric in ablation.metrics
        if any(line[f'published {metric}'] is not None for line in summary)
    ]
    header = ['', *(f'{metric} here' for metric in ablation.metrics)]
    header += [f'{metric} published' for metric in shown] + ['seeds']
    lines = [f'## {ablation.title}', '', markdown_row(header)]
    lines.append(markdown_row(['---', *['---:'] * (len(header) - 2), '---']))
    for line in summary:
        cells = [line['label'], *(spread(line[metric]) for metric in ablation.metrics)]
        cells += [published(line[f'published {metric}']) for metric in shown]
        cells.append(', '.join(map(str, line['seeds'])) or '-')
        lines.append(markdown_row(cells))
    lines += [
        '',
        f'Here: {ablation.data} val, percent, mean over the seeds (smallest to largest). '
        f'Published: {ablation.source}',
        '',
    ]
    return '\n'.join(lines)


def to_csv(ablation: AblationSet, summary: Sequence[dict[str, Any]]) -> str:
    """Return the table as CSV: one line per row and seed, published values beside the measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    columns = [f'published {metric}' for metric in ablation.metrics]
    writer.writerow(['label', 'data', 'seed', *ablation.metrics, *columns])
    for line in summary:
        for position, seed in enumerate(line['seeds']):
            measured = [f'{line[metric][position]:.4f}' for metric in ablation.metrics]
            known = ['' if line[key] is None else line[key] for key in columns]
            writer.writerow([line['label'], ablation.data, seed, *measured, *known])
    return text.getvalue()


def _folder(ablation: AblationSet, work_dir: str | Path) -> Path:
    return Path(work_dir) / ablation.name / ablation.data


def markdown_row(cells: Sequence[str]) -> str:
    """Return one line of a table."""
    return '| ' + ' | '.join(cells) + ' |'


def spread(values: Sequence[float]) -> str:
    """Return the mean, and smallest to largest value where there are several."""
    if not values:
        return '-'
    mean = f'{statistics.fmean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ({min(values):.1f} to {max(values):.1f})'


def published(value: float | None) -> str:
    """Return a published number as it is printed, '-' where none is known."""
    return '-' if value is None else f'{value:.2f}'
