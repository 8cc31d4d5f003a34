# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The masks of one model for one benchmark: complete, fitting, and at which resolution."""

from __future__ import annotations

import os
from pathlib import Path

from magnet_mm.errors import DataError
from magnet_mm.evaluation.score_record import Record, differences, record_beside
from magnet_mm.scoring.benchmark import Benchmark, BenchmarkItem, Key, Size
from magnet_mm.scoring.predictions import PredictedMask, named, read_predictions
from magnet_mm.scoring.problems import Problems
from magnet_mm.text_safety import printable


class Submission:
    """Predicted masks, one for each test item and no other.

    Args:
        path: What :func:`read_predictions` reads.
        benchmark: What they are for.

    Attributes:
        masks: the mask of each item, in the order of the benchmark.
        resolution: ``original``, where every mask has the size of its image, else ``input``: all
            have the size of a network's input.
        input_size: that size, None at the original one or where the inputs differ.
        rule: the rule by which ``tools/test.py`` made the masks; None for masks of strangers.
        no_target_rule: what ``GeneralizedReferringMetric`` was set to when it wrote them.
        record: the ``scores.json`` beside our own dumps, or None.

    Raises:
        DataError: Items are missing, double, or none of the benchmark's; masks have wrong sizes;
            or the file belongs to another split or to other annotation files.
    """

    def __init__(self, path: str | os.PathLike[str], benchmark: Benchmark) -> None:
        self.path = Path(path)
        masks = read_predictions(path, lambda key: _size(benchmark, key))
        self.record = _own_record(self.path, benchmark)
        protocol = self.record['evaluations'][0]['protocol'] if self.record else {}
        self.rule: str | None = protocol.get('rule')
        self.no_target_rule = {
            key: protocol[key] for key in ('min_target_pixels', 'count_ignored') if key in protocol
        }
        self._check_items(masks, benchmark)
        self.masks = [masks[key] for key in benchmark.items]
        self.resolution = self._find_resolution(benchmark, protocol.get('resolution'))
        sizes = {mask.size for mask in self.masks}
        single = self.resolution == 'input' and len(sizes) == 1
        self.input_size: Size | None = next(iter(sizes)) if single else None

    def _check_items(self, masks: dict[Key, PredictedMask], benchmark: Benchmark) -> None:
        problems = Problems(
            f'{self.path} does not fit {benchmark.name} {benchmark.split}, which has '
            f'{len(benchmark.items):,} sentences'
        )
        for key in benchmark.items:
            if key not in masks:
                problems.add('missing', named(key))
        for key, mask in masks.items():
            item = benchmark.items.get(key)
            if item is None:
                problems.add('of no sentence of this split', f'{named(key)} ({mask.where})')
                continue
            for field, own in (
                ('dataset_name', benchmark.name),
                ('split', benchmark.split),
                ('expression', item.expression),
            ):
                stated = mask.recorded.get(field, own)
                if stated != own:
                    problems.add(
                        f'of another {field}',
                        f'{named(key)} ({mask.where}) says "{printable(stated, 60)}", not '
                        f'"{printable(own, 60)}"',
                    )
        problems.raise_if_any()

    def _find_resolution(self, benchmark: Benchmark, stated: str | None) -> str:
        """Tell by the sizes whether the masks are at the original or an input's resolution."""
        wrong = [
            (item, mask)
            for item, mask in zip(benchmark.items.values(), self.masks, strict=True)
            if mask.size != item.size or mask.letterbox is not None
        ]
        if stated == 'input' or (stated is None and wrong and self._have_one_size()):
            return 'input'
        problems = Problems(
            f'{self.path}: masks have the sizes of their images, or all the one size of a '
            "network's input; these have neither"
        )
        for item, mask in wrong:
            problems.add('of a wrong size', _sizes(item, mask))
        problems.raise_if_any()
        return 'original'

    def _have_one_size(self) -> bool:
        return len({mask.size for mask in self.masks}) == 1


def _size(benchmark: Benchmark, key: Key) -> Size | None:
    item = benchmark.items.get(key)
    return None if item is None else item.size


def _own_record(path: Path, benchmark: Benchmark) -> Record | None:
    """Read the record beside a dump of ours, and compare its annotation files."""
    if path.is_dir() or not path.name.startswith('items_'):
        return None
    record = record_beside(path)
    if record is not None:
        here = {'evaluations': record['evaluations'], 'data': benchmark.description}
        found = differences(record, here)
        if found:
            raise DataError(
                f'{path} was evaluated on other data (A, by scores.json) than these (B): '
                f'{"; ".join(found)}.'
            )
    return record


def _sizes(item: BenchmarkItem, mask: PredictedMask) -> str:
    return (
        f'{named(item.key)} ({mask.where}) is {list(mask.size)}, its image {list(item.size)} '
        '(height, width)'
    )
