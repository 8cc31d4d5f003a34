# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The measures of an audit, out of its answers (docs/audit.md says what each is and whose)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.analysis.bootstrap import interval, resampled_scores
from magnet_mm.analysis.score_plots import GroupBar
from magnet_mm.audit.answers import Answer
from magnet_mm.audit.probes import PROBES
from magnet_mm.audit.words import ORDER, bare
from magnet_mm.evaluation import score_items
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import item_iou

#: A mask of fewer pixels says "nothing", of a model without an answer of its own; as in
#: GeneralizedReferringMetric.
MIN_TARGET_PIXELS = 50
LEAST_OCCURRENCES = 5  # of a word that is listed; our choice

#: Name, what counts, and which way is good ('' where neither is).
MEASURES = {
    'right': ('Right with its sentence', 'high'),
    'right, shuffled': ("Right with another object's sentence", 'low'),
    'right, blank': ('Right with no sentence', 'low'),
    'order free': ('Right, and still right with the words in another order', ''),
    'word free': ('Right, and still right with a word left out', ''),
    'mirror, sides': ('Same answer in the mirror, left and right exchanged', 'high'),
    'mirror': ('Same answer in the mirror, no left or right said', 'high'),
    'false positive, noun': ('Something found though the noun is not there', 'low'),
    'false positive, colour': ('Something found though the colour is not there', 'low'),
    'same mask, noun': ('The same object found though the noun is not there', 'low'),
    'same mask, colour': ('The same object found though the colour is not there', 'low'),
    'hard pass': ('Objects right with all of their sentences', 'high'),
    'consistency': ('Mean IoU of the answers to two sentences of an object', 'high'),
}


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: A key of :data:`MEASURES`.
        value: Percent; None where nothing applies.
        low: Lower end of the 95 % interval (bootstrap over images).
        high: Upper end.
        count: What it is a mean over: sentences, edits, objects or pairs of sentences.
        not_applicable: Sentences (or objects) to which it could not be applied.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    not_applicable: int


def is_right(counts: Item) -> bool:
    """IoU of 0.5 or more, decided in whole numbers as P@0.5."""
    return 2 * counts['intersection'] >= counts['union'] > 0


def same_mask(answer: Answer) -> bool:
    """Say whether the mask is that of the original sentence: IoU of 0.5 or more, or both empty."""
    return answer.before['union'] == 0 or is_right(answer.before)


def finds_something(answer: Answer) -> bool:
    """Say whether the model finds something."""
    return not answer.no_target and answer.area >= MIN_TARGET_PIXELS


def measure(answers: Sequence[Answer]) -> list[Measure]:
    """All measures, in the order of :data:`MEASURES`.

    Args:
        answers: Of all subjects to all probes.
    """
    by_probe = by_probes(answers)
    sentences = len(by_probe['original'])
    first_right = {a.question.subject.index for a in by_probe['original'] if is_right(a.truth)}

    def among_right(probe: str) -> list[Answer]:
        return [a for a in by_probe[probe] if a.question.subject.index in first_right]

    def subjects(probe: str) -> int:
        return len({answer.question.subject.index for answer in by_probe[probe]})

    def right(answer: Answer) -> bool:
        return is_right(answer.truth)

    rows: list[tuple[str, list[Answer], Callable[[Answer], float], int]] = [
        ('right', by_probe['original'], right, 0),
        ('right, shuffled', by_probe['shuffled'], right, sentences - subjects('shuffled')),
        ('right, blank', by_probe['blank'], right, 0),
        ('order free', among_right('permuted'), right, sentences - subjects('permuted')),
        ('word free', among_right('deleted'), right, sentences - subjects('deleted')),
        ('mirror, sides', by_probe['mirrored sides'], same_mask, subjects('mirrored')),
        ('mirror', by_probe['mirrored'], same_mask, subjects('mirrored sides')),
    ]
    for name, judge in (('false positive', finds_something), ('same mask', same_mask)):
        for word in ('noun', 'colour'):
            probe = f'absent {word}'
            judged = by_probe[probe] if judge is finds_something else among_right(probe)
            rows.append((f'{name}, {word}', judged, judge, sentences - subjects(probe)))
    found = [
        _mean(name, [(a.question.subject.image, judge(a)) for a in counted], left)
        for name, counted, judge, left in rows
    ]
    return [*found, *_of_objects(by_probe['original'])]


def by_probes(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Return the answers to every probe."""
    found: dict[str, list[Answer]] = {probe: [] for probe in PROBES}
    for answer in answers:
        found[answer.question.probe].append(answer)
    return found


def probe_scores(answers: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """Count, oIoU, mIoU and P@0.5 of every probe that applies, against the original object."""
    table = {}
    for probe, found in by_probes(answers).items():
        if found:
            items = [dict(answer.truth, kind=None) for answer in found]
            scores = score_items(items)
            table[probe] = dict(
                count=len(found), **{n: scores[n] for n in ('oIoU', 'mIoU', 'P@0.5')}
            )
    return table


def lost_by_class(
    answers: Sequence[Answer], classes: Callable[[str], list[str]]
) -> tuple[list[GroupBar], list[GroupBar]]:
    """IoU lost when a word is left out, in points: by class of the word, and by word.

    Of sentences whose answer is right. Words are those that occur :data:`LEAST_OCCURRENCES` times
    or more, the most important first.
    """
    by_probe = by_probes(answers)
    before = {
        answer.question.subject.index: item_iou(answer.truth)
        for answer in by_probe['original']
        if is_right(answer.truth)
    }
    kinds: dict[str, list[tuple[Hashable, float]]] = defaultdict(list)
    words: dict[str, list[tuple[Hashable, float]]] = defaultdict(list)
    for answer in by_probe['deleted']:
        subject, place = answer.question.subject, answer.question.place
        if subject.index not in before:
            continue
        lost = subject.image, before[subject.index] - item_iou(answer.truth)
        kinds[classes(subject.expression)[place]].append(lost)
        words[bare(subject.expression.split()[place])].append(lost)
    often = {word: lost for word, lost in words.items() if len(lost) >= LEAST_OCCURRENCES}
    by_word = sorted(_bars(often, sorted(often)), key=lambda bar: -bar.score)
    return _bars(kinds, [name for name in ORDER if name in kinds]), by_word


def _bars(groups: dict[str, list[tuple[Hashable, float]]], order: Sequence[str]) -> list[GroupBar]:
    found = [_mean(name, groups[name], 0) for name in order]
    return [GroupBar(m.name, m.count, m.value, m.low, m.high) for m in found]


def _of_objects(originals: Sequence[Answer]) -> list[Measure]:
    objects: dict[Any, list[Answer]] = defaultdict(list)
    for answer in originals:
        objects[answer.question.subject.ref_id].append(answer)
    several = [one for one in objects.values() if len(one) > 1]
    passed = [
        (one[0].question.subject.image, all(is_right(answer.truth) for answer in one))
        for one in several
    ]
    agreeing = [
        (one.question.subject.image, _mask_iou(one, other))
        for answers in several
        for one, other in itertools.combinations(answers, 2)
    ]
    alone = len(objects) - len(several)
    return [_mean('hard pass', passed, alone), _mean('consistency', agreeing, alone)]


def _mask_iou(one: Answer, other: Answer) -> float:
    """IoU of two masks of a picture; 1 where both are empty."""
    if not one.area and not other.area:
        return 1.0
    return float(coco_mask.iou([one.mask], [other.mask], [False])[0, 0])


def _mean(name: str, values: Sequence[tuple[Hashable, float]], not_applicable: int) -> Measure:
    """Mean of (image, value 0 to 1) in percent, with its interval."""
    if not values:
        return Measure(name, None, None, None, 0, not_applicable)
    # a value is the IoU of an item, so that the bootstrap over images is that of the scores
    items = [dict(intersection=value, union=1) for _, value in values]
    resampled = resampled_scores([items], [image for image, _ in values])
    mean = 100 * float(np.mean([value for _, value in values], dtype=np.float64))
    return Measure(name, mean, *interval(resampled[0, :, 1]), len(values), not_applicable)
