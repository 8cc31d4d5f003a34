# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What an audit asks about: objects of a split with all their sentences, image by image."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine import fileio

from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.audit.edits import PictureContent
from magnet_mm.datasets import JsonLinesReferringDataset
from magnet_mm.datasets.sentence_sampling import shuffle_within_images
from magnet_mm.errors import DataError


@dataclass(frozen=True)
class Subject:
    """A sentence about an object.

    Attributes:
        index: Place of the item in the dataset.
        image: Identity of its image.
        ref_id: The object.
        expression: The sentence.
        shuffled: A sentence of another object of the image; None where there is none.
        single: Whether one object is meant, not several.
    """

    index: int
    image: Any
    ref_id: int
    expression: str
    shuffled: str | None
    single: bool = True


@dataclass(frozen=True)
class Material:
    """The chosen subjects.

    Attributes:
        subjects: In the order of their images.
        scenes: By image, what the annotations say of it.
        objects_in_split: Objects that could have been chosen.
        left_out: Sentences of the split that mean nothing, which an audit does not ask.
    """

    subjects: Sequence[Subject]
    scenes: Mapping[Any, PictureContent]
    objects_in_split: int
    left_out: int


def choose_material(source: ItemSource, max_refs: int | None, seed: int) -> Material:
    """Draw objects of a split, with all their sentences.

    Args:
        source: The split.
        max_refs: Number of objects; None takes all.
        seed: Of the draw.

    Raises:
        DataError: If no sentence of the split means something, or its annotations are damaged.
    """
    infos = [source.dataset.get_data_info(index) for index in range(len(source.dataset))]
    meaning = [place for place, info in enumerate(infos) if not info.get('no_target', False)]
    if not meaning:
        raise DataError('No sentence of this split means an object: there is nothing to audit.')
    objects = sorted({infos[place]['ref_id'] for place in meaning})
    chosen = set(objects)
    if max_refs is not None and max_refs < len(objects):
        rng = np.random.default_rng(seed)
        chosen = set(rng.choice(objects, max_refs, replace=False).tolist())
    shuffled = _shuffled([dict(infos[place], place=place) for place in meaning])
    subjects = [
        Subject(
            place,
            infos[place]['img_id'],
            infos[place]['ref_id'],
            infos[place]['expression'],
            shuffled.get(place),
            len(infos[place].get('segmentations', [None])) == 1,
        )
        for place in meaning
        if infos[place]['ref_id'] in chosen
    ]
    first = {subject.image: -number for number, subject in enumerate(reversed(subjects))}
    subjects.sort(key=lambda subject: first[subject.image])
    return Material(
        subjects,
        _scenes(source.dataset, infos, {subject.image for subject in subjects}),
        len(objects),
        len(infos) - len(meaning),
    )


def _shuffled(items: list[dict]) -> dict[int, str]:
    """By place in the dataset, the sentence of another object of the image."""
    exchanged, _ = shuffle_within_images(items)
    return {item['place']: item['expression'] for item in exchanged}


def _scenes(dataset: Any, infos: Sequence[dict], images: set) -> dict[Any, PictureContent]:
    sentences: dict[Any, list[str]] = defaultdict(list)
    for info in infos:
        sentences[info['img_id']].append(info['expression'])
    if isinstance(dataset, JsonLinesReferringDataset):  # tells masks alone
        return {image: PictureContent(sentences=sentences[image]) for image in images}
    categories, colours = _annotated_objects(dataset.ann_file, images)
    return {
        image: PictureContent(
            categories and categories[image], colours and colours[image], sentences[image]
        )
        for image in images
    }


def _annotated_objects(
    ann_file: str, images: set
) -> tuple[dict[Any, frozenset[str]] | None, dict[Any, frozenset[str]] | None]:
    """Categories and colours of all objects by image; None where the file does not tell them."""
    content = json.loads(fileio.get(ann_file))  # the dataset has read and checked it
    categories: dict[Any, set] = {image: set() for image in images}
    colours: dict[Any, set] = {image: set() for image in images}
    try:
        names = {entry.get('id'): entry.get('name') for entry in content.get('categories') or ()}
        for annotation in content['annotations']:
            image = annotation.get('image_id')
            if image in images:
                categories[image].add(names.get(annotation.get('category_id')))
                colours[image].add((annotation.get('attributes') or {}).get('colour'))
    except (AttributeError, TypeError) as error:
        raise DataError(
            f'{ann_file}: an annotation or a category is not as COCO writes them ({error}). '
            'Download the file again.'
        ) from error
    return _known(categories), _known(colours)


def _known(values: dict[Any, set]) -> dict[Any, frozenset[str]] | None:
    """Return the values, or None where some object has none."""
    if any(None in found or not found for found in values.values()):
        return None
    return {image: frozenset(found) for image, found in values.items()}
