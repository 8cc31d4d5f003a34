# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page: which answers it shows, and that nothing in a sentence acts."""

from __future__ import annotations

import base64
import html
import json
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from magnet_mm.audit.answers import Answer
from magnet_mm.audit.material import Subject
from magnet_mm.audit.page import audit_numbers, write_audit
from magnet_mm.audit.probes import Question
from magnet_mm.audit.words import listed_class
from magnet_mm.evaluation import encode_mask

HOSTILE = '<script>alert(1)</script> \x1b[31mred'
FACTS = dict(
    title='d, val', config='c.py', checkpoint='x.pth', seed=0, sentences=2, objects=2,
    objects_in_split=9, left_out=3, classified_by='the shipped word list',
)  # fmt: skip


class Pictures:
    """Left half of the object's picture bright, and its mask."""

    def __getitem__(self, index):
        image = np.zeros((320, 320, 3), np.uint8)
        image[:, :160] = 255
        return dict(img=image, gt_seg_map=(image[..., 0] > 0).astype(np.uint8))


def answer(index, probe, sentence='red ball', before=1.0, right=True, exact=True, place=None):
    subject = Subject(index, f'image {index}', index, 'red ball', None)
    mask = np.zeros((320, 320), bool)
    mask[:, :160] = True
    return Answer(
        Question(subject, probe, sentence, place, exact),
        dict(intersection=100 * right, union=100),
        dict(intersection=round(100 * before), union=100),
        int(mask.sum()),
        False,
        encode_mask(mask),
    )


@pytest.fixture
def write(tmp_path):
    def call(answers, **options):
        numbers = audit_numbers(answers, lambda text: list(map(listed_class, text.split())), FACTS)
        source = SimpleNamespace(dataset=Pictures())
        page = write_audit(tmp_path, source, answers, numbers, **options)
        assert json.loads((tmp_path / 'audit.json').read_text()) == numbers
        return page.read_text()

    return call


def originals(*rights):
    return [answer(index, 'original', right=right) for index, right in enumerate(rights)]


def test_pictures_are_of_right_answers_and_the_clearest_first(write):
    page = write(
        [
            *originals(True, False, True, True),
            answer(0, 'blank', '', before=0.6),
            answer(1, 'blank', '', before=1.0),  # was wrong with its sentence
            answer(2, 'blank', '', before=0.9),
            answer(3, 'blank', '', before=0.1),  # the mask changes
        ]
    )
    assert 'No sentence, and the mask stays (2 of 2)' in page and '(blank sentence)' in page
    assert re.findall(r'ref (\d) · IoU of A and B (\S+) %', page) == [('2', '90.0'), ('0', '60.0')]


def test_the_picture_of_a_mirrored_question_is_mirrored(write):
    page = write([*originals(True), answer(0, 'mirrored', before=0.0)], shown=1)
    pictures = [
        cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), cv2.IMREAD_COLOR)
        for code in re.findall(r'data:image/jpeg;base64,([^"]+)', page)
    ]
    image, truth, first, second = pictures
    assert image[160, 80].mean() > 250 > 5 > image[160, 240].mean()
    assert truth[160, 80].mean() > 100 and first[160, 80].mean() > 100
    # bright on the right now; the mask, which is of the mirrored picture, on the left
    assert second[160, 240].mean() > 100 > second[160, 80, 0]
    assert 'In the mirror: another answer (1 of 1)' in page


def test_nothing_in_a_sentence_acts(write):
    page = write([*originals(True), answer(0, 'shuffled', HOSTILE)])
    assert html.escape('<script>alert(1)</script>') in page and '<script' not in page
    assert '\x1b' not in page and "default-src 'none'" in page


def test_what_is_not_sure_is_said(write):
    sure = [*originals(True), answer(0, 'absent colour')]
    assert 'not known to be absent' not in write(sure)
    page = write([*sure, answer(0, 'absent colour', exact=False)])
    assert '1 of the exchanged colours are not known to be absent' in page
    assert 'Left out: 3 sentences' in page


def test_bars_of_words(write):
    assert 'nothing can be lost' in write(originals(False))
    many = [answer(index, 'deleted', 'ball', right=False, place=0) for index in range(6)]
    page = write([*originals(*6 * [True]), *many])
    assert page.count('<svg') == 2
    assert '<td>colour</td><td>6</td><td>100.0</td>' in page
    assert '<td>red</td><td>6</td><td>100.0</td>' in page
