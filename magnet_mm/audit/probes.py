# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The probes of an audit and the questions they make of a sentence (docs/audit.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from magnet_mm.audit.edits import (
    PictureContent,
    absent_edits,
    mirrored,
    permuted,
    without_each_word,
)
from magnet_mm.audit.material import Subject

#: Probe to what is done.
PROBES = {
    'original': 'the sentence as it is',
    'shuffled': 'the sentence of another object of the picture',
    'blank': 'an empty sentence',
    'permuted': 'the words in another order',
    'deleted': 'one word left out',
    'mirrored sides': 'the picture mirrored, left and right exchanged in the sentence',
    'mirrored': 'the picture mirrored, a sentence without left and right',
    'absent noun': 'a noun exchanged so that nothing is meant',
    'absent colour': 'a colour exchanged so that nothing is meant',
}


@dataclass(frozen=True)
class Question:
    """A sentence to ask of a picture.

    Attributes:
        subject: Whose edit it is.
        probe: One of :data:`PROBES`.
        sentence: What is asked.
        place: Of the deleted word.
        exact: Whether it surely means nothing, for the absent ones.
    """

    subject: Subject
    probe: str
    sentence: str
    place: int | None = None
    exact: bool = True

    @property
    def flips(self) -> bool:
        """Whether the mirrored picture is asked."""
        return self.probe.startswith('mirrored')


def questions(subject: Subject, scene: PictureContent, seed: int) -> Iterator[Question]:
    """Yield what is asked for a subject; a probe that does not apply to it makes no question.

    Args:
        subject: The sentence.
        scene: Its picture.
        seed: With the subject's place in the dataset, that of the draws.
    """
    rng = np.random.default_rng((seed, subject.index))
    text = subject.expression
    yield Question(subject, 'original', text)
    if subject.shuffled is not None:
        yield Question(subject, 'shuffled', subject.shuffled)
    yield Question(subject, 'blank', '')
    other = permuted(text, rng)
    if other is not None:
        yield Question(subject, 'permuted', other)
    for place, shorter in enumerate(without_each_word(text)):
        yield Question(subject, 'deleted', shorter, place)
    other = mirrored(text)
    yield Question(subject, 'mirrored' if other == text else 'mirrored sides', other)
    # of "the cross and the circle" the circle stays when the cross is exchanged
    for edit in absent_edits(text, scene, rng) if subject.single else ():
        yield Question(subject, f'absent {edit.word}', edit.text, exact=edit.exact)
