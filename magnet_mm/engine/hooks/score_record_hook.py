# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes ``scores.json`` after every evaluation."""

from __future__ import annotations

import os
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.score_record import describe_data, file_sha256, write_record


@HOOKS.register_module()
class ScoreRecordHook(Hook):
    """Writes protocol, data, model, versions and seed beside the scores, see ``score_record``.

    ``scores.json`` lies beside the per-item results where the metric writes them (``--out``), else
    in ``<log folder of the run>/<split>``; there the last validation of a training replaces the one
    before. An evaluation without a ``ReferringMetric`` has none.
    """

    def __init__(self) -> None:
        """See the class."""
        self._described: tuple[Any, list[dict]] = (None, [])

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the scores of a validation, whose weights are not in a file yet."""
        self._write(runner, runner.val_loop, metrics, dict(epoch=runner.epoch, iter=runner.iter))

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the scores of a test, and the hash of its checkpoint."""
        self._write(runner, runner.test_loop, metrics, dict(checkpoint=_checkpoint(runner)))

    def _write(self, runner: Any, loop: Any, metrics: dict | None, weights: dict) -> None:
        found = [one for one in loop.evaluator.metrics if isinstance(one, ReferringMetric)]
        if not found or not is_main_process():
            return
        if self._described[0] is not loop.dataloader.dataset:
            self._described = loop.dataloader.dataset, describe_data(loop.dataloader.dataset)
        data = self._described[1]
        evaluations = [
            dict(
                protocol=metric.protocol(),
                items=sum(entry['sentences'] for entry in data),
                scores={key: float(value) for key, value in (metrics or {}).items()},
            )
            for metric in found
        ]
        split = str(data[0]['split'] or 'test')
        folder = found[0].output_dir or os.path.join(runner.log_dir, split)
        model = dict(config=runner.cfg.filename, **weights, seed=runner.seed)
        path = write_record(folder, evaluations, data, model)
        runner.logger.info(f'Scores with protocol, data and versions: {path}')


def _checkpoint(runner: Any) -> dict[str, str] | None:
    """Name and SHA-256 of the tested file; of an address the name alone."""
    path = runner._load_from
    if path is None:
        return None
    return dict(file=path, sha256=file_sha256(path)) if os.path.isfile(path) else dict(file=path)
