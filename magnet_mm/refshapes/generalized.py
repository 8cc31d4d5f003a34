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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from magnet_mm.atomic_files import write_atomically
from magnet_mm.refshapes.edits import Edit, edits
from magnet_mm.refshapes.scene import SHAPES
from magnet_mm.refshapes.several import Several, draw_conjunction, draw_quantified

if TYPE_CHECKING:
    from magnet_mm.refshapes.writer import Example

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


def write_generalized(
    folder: Path, refs: list[dict[str, Any]], made: Iterable[tuple[str, Generalized]]
) -> None:
    """Write both files.

    Args:
        folder: Where refs(unc).p lies.
        refs: Its content.
        made: For every image, in order, its split and further sentences.
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
    ref_ids = itertools.count(len(refs))
    sent_ids = itertools.count(sum(len(ref['sentences']) for ref in refs))
    pairs: list[dict[str, Any]] = []
    first = 1
    for image_id, (split, more) in enumerate(made, start=1):
        true = {ref['ann_id'] - first: ref for ref in by_image.get(image_id, ())}

        def add(split: str, meant: Sequence[int], said: list[dict[str, Any]]) -> None:
            ann_ids = [first + index for index in meant]
            categories = [more.categories[index] for index in meant]
            grefs.append(_gref(next(ref_ids), image_id, split, ann_ids, categories, said))

        if more.absent:
            chosen = sorted(more.order[:MOST_ABSENT])
            add(split, (), [_sentence(next(sent_ids), more.absent[i].text) for i in chosen])
        for one in more.several:
            add(split, one.referents, [_sentence(next(sent_ids), one.text)])
        if split == 'val':
            for edit in more.absent:
                said = _sentence(next(sent_ids), edit.text)
                original = true[edit.index]['sentences'][edit.number]
                said.update(edit_of=original['sent_id'], edited=edit.word)
                add('val_absent', (), [said])
            pairs += _pairs(more, true, first, len(pairs))
        first += len(more.categories)
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


def _gref(
    ref_id: int,
    image_id: int,
    split: str,
    ann_ids: list[int],
    categories: list[int],
    said: list[dict[str, Any]],
) -> dict[str, Any]:
    ids = ann_ids or [NO_TARGET]
    return {
        'ref_id': ref_id,
        'ann_id': ids,
        'category_id': categories,
        'image_id': image_id,
        'file_name': f'COCO_train2014_{image_id:012d}_{ids[0]}.jpg',
        'split': split,
        'no_target': not ann_ids,
        'sent_ids': [one['sent_id'] for one in said],
        'sentences': said,
    }


def _sentence(sent_id: int, text: str) -> dict[str, Any]:
    return {'raw': text, 'sent': text, 'sent_id': sent_id, 'tokens': text.split()}


def _without_kind(said: dict[str, Any]) -> dict[str, Any]:
    """A sentence without RefShapes' kind: here it is how many objects are meant."""
    return {key: value for key, value in said.items() if key != 'kind'}
