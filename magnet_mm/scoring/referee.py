# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores submissions: which evaluations are asked for, what each is, its scores and intervals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from magnet_mm.datasets.annotations.masks import rle_to_mask
from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.boundary_iou import (
    BOUNDARY_COUNTS,
    count_boundary_pixels,
    score_boundaries,
)
from magnet_mm.evaluation.generalized_scores import (
    apply_no_target_rule,
    score_generalized_items,
)
from magnet_mm.evaluation.released_rules import RELEASED_RULES
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.score_record import AS_PREDICTED
from magnet_mm.evaluation.scores import STANDARD, Scoring, score_items
from magnet_mm.scoring import counting
from magnet_mm.scoring.benchmark import Benchmark, Size
from magnet_mm.scoring.intervals import Difference, Ratios
from magnet_mm.scoring.predictions import named
from magnet_mm.scoring.problems import Problems
from magnet_mm.scoring.submission import Submission

RESIZED = 'resized afterwards'
RESOLUTIONS = ('input', 'original')


@dataclass(frozen=True)
class Evaluation:
    """One way to score the items of a submission.

    Attributes:
        protocol: what is measured, see ``evaluation/score_record.py``.
        items: with pixel counts.
        images: image of each item.
        scoring: of a released code, where its rule is used.
    """

    protocol: dict[str, Any]
    items: Sequence[Item]
    images: Sequence[int]
    scoring: Scoring = STANDARD

    @property
    def scores(self) -> dict[str, float]:
        """Scores in percent, by the functions of the metrics."""
        if 'no_target' in self.items[0]:
            return score_generalized_items(self.items)
        scores = score_items(self.items, self.scoring)
        return (
            {**scores, **score_boundaries(self.items)}
            if BOUNDARY_COUNTS[0] in self.items[0]
            else scores
        )

    @property
    def ratios(self) -> Ratios:
        """The scores as sums over images."""
        return Ratios(self.items, self.images, self.scoring)

    def part(self, chosen: Collection[int]) -> Evaluation:
        """Return the evaluation of the items at these positions."""
        return Evaluation(
            self.protocol,
            [self.items[index] for index in chosen],
            [self.images[index] for index in chosen],
            self.scoring,
        )


class Referee:
    """Scores submissions for one benchmark.

    Args:
        benchmark: The sentences and true masks.
        resolutions: ``input``, ``original``, or both.
        input_size: Height and width to which masks of the images' own size are resized for
            ``input``; those of the shipped configs by default.
        per_reference: Score the first sentence of each reference, too: another benchmark (CRIS
            selects its models by it).
        rule: Score as the released code of that name does, too.
        boundary: Boundary IoU beside the others (not on generalized benchmarks); every mask is
            decoded for it.
        min_target_pixels: On generalized benchmarks, a mask of fewer pixels says that nothing is
            meant, where the model does not answer itself (our choice, as the metric's).

    Raises:
        ConfigError: A rule of a system, or Boundary IoU, for a generalized benchmark.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        resolutions: Sequence[str] = RESOLUTIONS,
        input_size: Size | None = None,
        per_reference: bool = False,
        rule: str | None = None,
        boundary: bool = False,
        min_target_pixels: int = 50,
    ) -> None:
        if (rule is not None or boundary) and benchmark.generalized:
            raise ConfigError(
                f'{benchmark.name} is scored by the rule of ReLA alone, and Boundary IoU is not '
                'defined where nothing is meant: leave out --rule and --boundary.'
            )
        self.benchmark = benchmark
        self.resolutions = resolutions
        self.input_size = input_size or benchmark.input_size
        self.per_reference = per_reference
        self.rule = rule
        self.boundary = boundary
        self.min_target_pixels = min_target_pixels

    def evaluate(self, submission: Submission) -> list[Evaluation]:
        """Score a submission in every way asked for.

        Raises:
            DataError: A dump of ours was counted otherwise, or see :func:`counting.pairs_by_rule`.
        """
        made = []
        standard = submission.rule in (None, 'standard')
        for resolution in self.resolutions if standard else ():
            made.append(self._standard(submission, resolution))
        rule = self.rule or (None if standard else submission.rule)
        if rule is not None:
            made.append(self._by_rule(submission, rule))
        if self.per_reference:
            made += [_first_sentences(evaluation) for evaluation in made]
        return made

    def _standard(self, submission: Submission, resolution: str) -> Evaluation:
        own = resolution == submission.resolution
        if own:
            size = submission.input_size
            pairs = counting.pairs_as_predicted(submission, self.benchmark)
        else:
            size = self.input_size if resolution == 'input' else None
            pairs = counting.pairs_resized(submission, self.benchmark, self.input_size)
        evaluation = self._evaluation(
            submission,
            pairs,
            resolution=resolution,
            input_size=None if size is None else list(size),
            masks=AS_PREDICTED if own else RESIZED,
        )
        if own:
            _check_counts(submission, evaluation.items)
        return evaluation

    def _by_rule(self, submission: Submission, rule: str) -> Evaluation:
        resolution, pairs = counting.pairs_by_rule(submission, self.benchmark, rule)
        size = submission.input_size if resolution == 'input' else None
        evaluation = self._evaluation(
            submission,
            pairs,
            rule=rule,
            resolution=resolution,
            input_size=None if size is None else list(size),
        )
        if submission.rule == rule:
            _check_counts(submission, evaluation.items)
        return evaluation

    def _evaluation(
        self,
        submission: Submission,
        pairs: Sequence[counting.Pair],
        rule: str = 'standard',
        masks: str = AS_PREDICTED,
        **where: Any,
    ) -> Evaluation:
        generalized = self.benchmark.generalized
        items = counting.as_items(submission, self.benchmark, pairs)
        protocol = dict(
            metric='GeneralizedReferringMetric' if generalized else 'ReferringMetric',
            per='sentence',
            rule=rule,
            **where,
            masks=masks,
        )
        if generalized:
            settings = dict(min_target_pixels=self.min_target_pixels, count_ignored=True)
            settings.update(submission.no_target_rule)
            protocol.update(settings)
            self._answer(items, submission, **settings)
        else:
            for item, mask in zip(items, submission.masks, strict=True):
                del item['predicted']
                if rule == 'rela' and mask.no_target:
                    item['intersection'] = 0  # as ReferringMetric does
        if self.boundary:
            for item, pair in zip(items, pairs, strict=True):
                item.update(count_boundary_pixels(*map(rle_to_mask, pair)))
        images = [item.img_id for item in self.benchmark.items.values()]
        scoring = STANDARD if rule == 'standard' else RELEASED_RULES[rule].scoring
        return Evaluation(protocol, items, images, scoring)

    def _answer(
        self,
        items: Sequence[Item],
        submission: Submission,
        min_target_pixels: int,
        count_ignored: bool,
    ) -> None:
        """Apply the rule of "no target", as GeneralizedReferringMetric does."""
        for item, truth, mask in zip(
            items, self.benchmark.items.values(), submission.masks, strict=True
        ):
            answer = mask.no_target
            if answer is None:
                answer = item['predicted'] < min_target_pixels
            apply_no_target_rule(item, truth.no_target, answer, count_ignored)


def compare(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Scores of ``second`` minus those of ``first``, over the same items and by one protocol."""
    return first.ratios.compare(second.ratios)


def _first_sentences(evaluation: Evaluation) -> Evaluation:
    """Return the first sentence of each reference, in the order of the files."""
    first: dict[int, int] = {}
    for index, item in enumerate(evaluation.items):
        first.setdefault(item['ref_id'], index)
    part = evaluation.part(list(first.values()))
    return Evaluation({**part.protocol, 'per': 'reference'}, part.items, part.images, part.scoring)


def _check_counts(submission: Submission, items: Sequence[Item]) -> None:
    """Compare with what our own dump says about its masks."""
    problems = Problems(
        f'{submission.path}: its masks give other pixel counts here than it states; it was made '
        'with other annotations or another resizing of the true masks'
    )
    for item, mask in zip(items, submission.masks, strict=True):
        for name in ('intersection', 'union'):
            if mask.recorded.get(name, item[name]) != item[name]:
                problems.add(
                    f'with another {name}',
                    f'{named((item["ref_id"], item["sent_id"]))} ({mask.where}) states '
                    f'{mask.recorded[name]!r:.20}, here it is {item[name]}',
                )
    problems.raise_if_any()
