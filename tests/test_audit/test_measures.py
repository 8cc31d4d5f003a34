# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The measures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.audit.answers import Answer
from magnet_mm.audit.material import Subject
from magnet_mm.audit.measures import lost_by_class, measure, probe_scores
from magnet_mm.audit.probes import Question
from magnet_mm.evaluation import encode_mask


def subject(index, ref_id, expression='red ball', image=None):
    return Subject(index, ref_id if image is None else image, ref_id, expression, 'another')


def answer(who, probe, iou, before=1.0, area=100, columns=10, place=None, no_target=False):
    mask = np.zeros((10, 10), bool)
    mask[:, :columns] = area > 0
    return Answer(
        Question(who, probe, 'asked', place),
        dict(intersection=round(100 * iou), union=100),
        dict(intersection=round(100 * before), union=100),
        area,
        no_target,
        encode_mask(mask),
    )


A, B, C = subject(0, 1), subject(1, 1), subject(2, 2)
ANSWERS = [
    answer(A, 'original', 0.5),
    answer(B, 'original', 0.49, columns=5),
    answer(C, 'original', 0.9),
    answer(A, 'shuffled', 0.8),
    answer(C, 'shuffled', 0.1),
    *(answer(one, 'blank', 0.2) for one in (A, B, C)),
    answer(A, 'permuted', 0.7),
    answer(B, 'permuted', 0.9),  # was wrong before: does not count
    answer(C, 'permuted', 0.3),
    answer(A, 'deleted', 0.4, place=0),
    answer(A, 'deleted', 0.5, place=1),
    answer(C, 'deleted', 0.9, place=0),
    answer(C, 'deleted', 0.1, place=1),
    answer(A, 'mirrored sides', 0.0, before=0.5),
    answer(B, 'mirrored', 0.0, before=0.4),
    answer(C, 'mirrored', 0.0, before=0.6),
    answer(A, 'absent noun', 0.0, before=0.9),
    answer(B, 'absent noun', 0.0, before=0.9, area=49),
    answer(C, 'absent noun', 0.0, before=0.1, no_target=True),
    answer(C, 'absent colour', 0.0, before=0.1, area=50),
]


def test_measures_by_hand():
    found = {one.name: one for one in measure(ANSWERS)}
    expected = {  # value, mean over, not applicable
        'right': (200 / 3, 3, 0),
        'right, shuffled': (50, 2, 1),
        'right, blank': (0, 3, 0),
        'order free': (50, 2, 0),
        'word free': (50, 4, 1),
        'mirror, sides': (100, 1, 2),
        'mirror': (50, 2, 1),
        'false positive, noun': (100 / 3, 3, 0),
        'false positive, colour': (100, 1, 2),
        'same mask, noun': (50, 2, 0),
        'same mask, colour': (0, 1, 2),
        'hard pass': (0, 1, 1),  # A is right, B is not
        'consistency': (50, 1, 1),  # half of the columns
    }
    assert list(found) == list(expected)
    for name, (value, count, left) in expected.items():
        one = found[name]
        assert one.value == pytest.approx(value), name
        assert (one.count, one.not_applicable) == (count, left), name
        assert one.low <= one.value <= one.high


def test_nothing_to_measure_is_said():
    [single] = [one for one in measure([answer(C, 'original', 0.9)]) if one.name == 'order free']
    assert (single.value, single.low, single.count, single.not_applicable) == (None, None, 0, 1)


def test_two_empty_masks_agree():
    empty = [answer(who, 'original', 0.0, area=0) for who in (A, B)]
    assert measure(empty)[-1].value == 100


def test_scores_of_the_probes():
    table = probe_scores(ANSWERS)
    assert table['original'] == dict(
        count=3,
        oIoU=pytest.approx(189 / 3),
        mIoU=pytest.approx(189 / 3),
        **{'P@0.5': pytest.approx(200 / 3)},
    )
    assert table['shuffled']['P@0.5'] == 50


def test_iou_lost_by_kind_of_word(monkeypatch):
    monkeypatch.setattr('magnet_mm.audit.measures.LEAST_OCCURRENCES', 2)

    def classes(sentence):
        return ['colour' if word == 'red' else 'noun' for word in sentence.split()]

    by_class, by_word = lost_by_class(ANSWERS, classes)
    # without "red" A loses 10 points and C none; without "ball" A none and C 80
    assert [(bar.name, bar.count) for bar in by_class] == [('colour', 2), ('noun', 2)]
    assert [bar.score for bar in by_class] == [pytest.approx(5), pytest.approx(40)]
    assert [bar.name for bar in by_word] == ['ball', 'red']
