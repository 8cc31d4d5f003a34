# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes in gRefCOCO's format, and pairs of sentences: more about the same images.

::

    OUT/refshapes/grefs(unc).json   sentences that mean one object, several, or none; the splits of
                                    refs(unc).p and ``val_absent``: edits of val's sentences that
                                    mean nothing, one per sentence where there is one
    OUT/refshapes/refs(pairs).p     ``val_pairs``: the refs 2k and 2k + 1 are two sentences of one
                                    image that differ in one word and mean different objects

The sentences are drawn from (seed, split, number within the split) apart from those of refs(unc).p,
whose files do not depend on this one.
"""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from magnet_mm.atomic_files import write_atomically
from magnet_mm.refshapes.edits import Edit, edits
from magnet_mm.refshapes.example import Example
from magnet_mm.refshapes.scene import SHAPES
from magnet_mm.refshapes.several import Several, draw_conjunction, draw_quantified
from magnet_mm.refshapes.style import Style

#: Of an image: sentences that mean nothing (one ref), and refs that mean several objects.
MOST_ABSENT = 3
QUANTIFIED, CONJUNCTIONS = 1, 1
GREFS, PAIRS = 'grefs(unc).json', 'refs(pairs).p'
NO_TARGET = -1  # as gRefCOCO


class Generalized(NamedTuple):
    """More sentences about an image.

    Attributes:
        categories: category of every object in the image.
        absent: for each of its true sentences an edit that means nothing, where there is one.
        several: sentences that mean several objects.
        pairs: for each true sentence an edit that means one other object, where there is one.
        order: the drawn order of ``absent``.
    """

    categories: list[int]
    absent: list[Edit]
    several: list[Several]
    pairs: list[Edit]
    order: list[int]


def make_generalized(draw: Sequence[int], example: Example, held_out: bool) -> Generalized:
    """Draw the further sentences of an image.

    Args:
        draw: Seed, number of the split, number within the split.
        example: The image.
        held_out: Whether noun phrases may name held-out pairs of colour and shape (testB).
    """
    rng = np.random.default_rng([*draw, 1])
    absent, pairs = [], []
    for index, said in sorted(example.expressions.items()):
        for number, expression in enumerate(said):
            draws = example.draws[index][number]
            found = edits(example.scene, index, number, expression, draws, held_out)
            for chosen, nothing in ((absent, True), (pairs, False)):
                by_word: dict[str, list[Edit]] = {}
                for edit in found:
                    if (edit.referent is None) is nothing:
                        by_word.setdefault(edit.word, []).append(edit)
                if by_word:  # the kind of word first: there are more colours than places
                    same = list(by_word.values())[rng.integers(len(by_word))]
                    chosen.append(same[rng.integers(len(same))])
    several = [draw_quantified(rng, example.scene, held_out) for _ in range(QUANTIFIED)]
    several += [
        draw_conjunction(rng, example.sentences, example.expressions) for _ in range(CONJUNCTIONS)
    ]
    return Generalized(
        [SHAPES.index(thing.shape) + 1 for thing in example.scene.objects],
        absent,
        [one for one in several if one is not None],
        pairs,
        [int(i) for i in rng.permutation(len(absent))],
    )


class _Image(NamedTuple):
    """Numbers of an image, and the counters of the file's refs and sentences."""

    image_id: int
    first: int
    categories: list[int]
    ref_ids: Iterator[int]
    sent_ids: Iterator[int]

    def gref(self, split: str, meant: Sequence[int], texts: list[str]) -> dict[str, Any]:
        """Make a ref of gRefCOCO: the objects that are meant, none or some, and its sentences."""
        ids = [self.first + index for index in meant] or [NO_TARGET]
        said = [_sentence(next(self.sent_ids), text) for text in texts]
        return {
            'ref_id': next(self.ref_ids),
            'ann_id': ids,
            'category_id': [self.categories[index] for index in meant],
            'image_id': self.image_id,
            'file_name': f'COCO_train2014_{self.image_id:012d}_{ids[0]}.jpg',
            'split': split,
            'no_target': not meant,
            'sent_ids': [one['sent_id'] for one in said],
            'sentences': said,
        }


def write_generalized(
    folder: Path,
    refs: list[dict[str, Any]],
    made: Iterable[tuple[str, Generalized]],
    style: Style,
) -> None:
    """Write both files.

    Args:
        folder: Where refs(unc).p lies.
        refs: Its content.
        made: For every image, in order, its split and further sentences.
        style: Its words are written.
    """
    by_image: dict[int, list[dict[str, Any]]] = {}
    for ref in refs:
        by_image.setdefault(ref['image_id'], []).append(ref)
    grefs = [
        {
            **ref,
            'ann_id': [ref['ann_id']],
            'category_id': [ref['category_id']],
            'no_target': False,
            'sentences': [_without_kind(said) for said in ref['sentences']],
        }
        for ref in refs
    ]
    pairs: list[dict[str, Any]] = []
    ref_ids = itertools.count(len(refs))
    sent_ids = itertools.count(sum(len(ref['sentences']) for ref in refs))
    first = 1
    for image_id, (split, more) in enumerate(made, start=1):
        image = _Image(image_id, first, more.categories, ref_ids, sent_ids)
        true = {ref['ann_id'] - first: ref for ref in by_image.get(image_id, ())}
        chosen = sorted(more.order[:MOST_ABSENT])
        if chosen:
            texts = [more.absent[number].text for number in chosen]
            grefs.append(image.gref(split, (), texts))
        grefs += [image.gref(split, one.referents, [one.text]) for one in more.several]
        if split == 'val':
            for edit in more.absent:
                gref = image.gref('val_absent', (), [edit.text])
                original = true[edit.index]['sentences'][edit.number]
                gref['sentences'][0].update(edit_of=original['sent_id'], edited=edit.word)
                grefs.append(gref)
            pairs += _pairs(more, true, first, len(pairs))
        first += len(more.categories)
    style.rename([*grefs, *pairs])
    text = json.dumps(grefs, separators=(',', ':')) + '\n'
    write_atomically(folder / GREFS, text.encode('utf-8'))
    write_atomically(folder / PAIRS, pickle.dumps(pairs, protocol=2))


def _pairs(
    more: Generalized, true: dict[int, dict[str, Any]], first: int, ref_id: int
) -> list[dict[str, Any]]:
    """Two refs of RefCOCO for each pair, numbered from ``ref_id``; each sentence counts once."""
    refs = []
    seen: set[frozenset[str]] = set()
    for edit in more.pairs:
        original = true[edit.index]
        texts = (original['sentences'][edit.number]['sent'], edit.text)
        if frozenset(texts) in seen:  # both sentences of the image were edited into one another
            continue
        seen.add(frozenset(texts))
        for text, index in zip(texts, (edit.index, edit.referent), strict=True):
            said = _sentence(ref_id + len(refs), text) | {'kind': edit.word}
            refs.append(
                {
                    'ref_id': ref_id + len(refs),
                    'ann_id': first + index,
                    'category_id': more.categories[index],
                    'image_id': original['image_id'],
                    'file_name': f'COCO_train2014_{original["image_id"]:012d}_{first + index}.jpg',
                    'split': 'val_pairs',
                    'sent_ids': [said['sent_id']],
                    'sentences': [said],
                }
            )
    return refs


def _sentence(sent_id: int, text: str) -> dict[str, Any]:
    return {'raw': text, 'sent': text, 'sent_id': sent_id, 'tokens': text.split()}


def _without_kind(said: dict[str, Any]) -> dict[str, Any]:
    """Drop RefShapes' kind of a sentence: here it is how many objects are meant."""
    return {key: value for key, value in said.items() if key != 'kind'}
