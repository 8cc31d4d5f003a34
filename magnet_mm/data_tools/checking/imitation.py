# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Annotations with RefCOCO's published numbers and random content, to measure the checker with."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from magnet_mm.data_tools.checking.published import LAYOUTS, PUBLISHED
from magnet_mm.errors import DataError

HEIGHT, WIDTH = 480, 640
#: Objects of an image, described or not (our choice: RefCOCO's file holds about ten an image).
OBJECTS = 10
WORDS = 'left right man woman red blue shirt front standing behind top chair dog person'.split()


def write_imitation(root: str | Path, share: float = 1.0, seed: int = 0) -> int:
    """Write `refcoco/instances.json`, `refcoco/refs(unc).p` and one picture under many names.

    Args:
        root (str | Path): Data root to make; it must not exist.
        share (float): Share of the published number of refs, images and expressions.
        seed (int): The same seed gives the same files.

    Returns:
        int: Number of expressions.

    Raises:
        DataError: The root exists, or the share is not in (0, 1].
    """
    root = Path(root)
    if root.exists():
        raise DataError(f'{root} exists and is not overwritten. Choose another folder.')
    if not 0 < share <= 1:
        raise DataError(f'The share of the published numbers must be in (0, 1], got {share}.')
    rng = np.random.default_rng(seed)
    refs: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    images = sentences = 0
    for split, counts in PUBLISHED['refcoco', 'unc'].items():
        refs_n, images_n, said_n = (max(1, round(number * share)) for number in counts)
        first_image, images = images + 1, images + images_n
        objects = max(OBJECTS, -(-refs_n // images_n))
        first_annotation = len(annotations)
        annotations += _annotations(rng, first_annotation + 1, first_image, images_n, objects)
        for number in range(refs_n):
            # round robin: the first object of each image, then the second ...
            image, place = number % images_n, number // images_n
            annotation = annotations[first_annotation + image * objects + place]
            said = said_n * (number + 1) // refs_n - said_n * number // refs_n
            refs.append(_ref(rng, len(refs), annotation, split, sentences, said))
            sentences += said
    _write(root, refs, annotations, images)
    return sentences


def _annotations(
    rng: np.random.Generator, first_id: int, first_image: int, images: int, objects: int
) -> list[dict[str, Any]]:
    """Roundish polygons of 12 to 60 corners and a mean radius of 10 to 120 pixels."""
    count = images * objects
    centres = rng.uniform((150, 150), (WIDTH - 150, HEIGHT - 150), (count, 2))
    corners = rng.integers(12, 61, count)
    annotations = []
    for number in range(count):
        angles = np.linspace(0, 2 * np.pi, corners[number], endpoint=False)
        radii = rng.uniform(10, 120) * rng.uniform(0.85, 1.15, corners[number])
        points = centres[number] + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        points = points.round(2)
        low, high = points.min(0), points.max(0)
        annotations.append(
            {
                'id': first_id + number,
                'image_id': first_image + number // objects,
                'category_id': 1,
                'iscrowd': 0,
                'area': float(np.prod(high - low)) / 2,
                'bbox': [*low.tolist(), *(high - low).tolist()],
                'segmentation': [points.ravel().tolist()],
            }
        )
    return annotations


def _ref(
    rng: np.random.Generator, ref_id: int, annotation: dict, split: str, first: int, said: int
) -> dict[str, Any]:
    """Return a ref in the published format, with random words."""
    sentences = []
    for sent_id in range(first, first + said):
        tokens = [WORDS[k] for k in rng.integers(len(WORDS), size=3)]
        text = ' '.join(tokens)
        sentences.append({'raw': text, 'sent': text, 'sent_id': sent_id, 'tokens': tokens})
    return {
        'ref_id': ref_id,
        'ann_id': annotation['id'],
        'category_id': annotation['category_id'],
        'image_id': annotation['image_id'],
        'file_name': f'{_name(annotation["image_id"])[:-4]}_{annotation["id"]}.jpg',
        'split': split,
        'sent_ids': [sentence['sent_id'] for sentence in sentences],
        'sentences': sentences,
    }


def _name(image_id: int) -> str:
    return f'COCO_train2014_{image_id:012d}.jpg'


def _write(root: Path, refs: list[dict], annotations: list[dict], images: int) -> None:
    """Write the annotation files and the pictures."""
    (root / 'refcoco').mkdir(parents=True)
    folder = root / LAYOUTS['refer']
    folder.mkdir(parents=True)
    picture = folder / _name(1)
    Image.new('RGB', (WIDTH, HEIGHT), (128, 128, 128)).save(picture, quality=50)
    for image_id in range(2, images + 1):
        os.link(picture, folder / _name(image_id))
    content = {
        'info': {'description': 'An imitation of RefCOCO: published numbers, random content.'},
        'images': [
            {'id': number, 'file_name': _name(number), 'height': HEIGHT, 'width': WIDTH}
            for number in range(1, images + 1)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'thing', 'supercategory': 'thing'}],
    }
    (root / 'refcoco' / 'instances.json').write_text(json.dumps(content), encoding='utf-8')
    (root / 'refcoco' / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))
