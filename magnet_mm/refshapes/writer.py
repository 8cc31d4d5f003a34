# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes RefShapes to disk in the layout of RefCOCO, so that RefCOCO's own reader reads it.

::

    OUT/images/mscoco/images/train2014/COCO_train2014_%012d.jpg
    OUT/refshapes/instances.json       COCO style; "attributes" (colour, size, centre) is ours
    OUT/refshapes/refs(unc).p          pickle protocol 2; sentences carry their "kind"
    OUT/refshapes/generator.json       what the files were made with
    OUT/refshapes/summary.json         counts (see summarise)
    OUT/refshapes/grefs(unc).json      several objects and none, and
    OUT/refshapes/refs(pairs).p        pairs of sentences, see generalized.py

Each image depends on (seed, split, number within the split) and the style alone.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from magnet_mm.atomic_files import replacing
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.errors import DataError
from magnet_mm.refshapes.annotations import segmentation
from magnet_mm.refshapes.drawing import draw, visible_shares
from magnet_mm.refshapes.example import Example
from magnet_mm.refshapes.generalized import (
    GREFS,
    PAIRS,
    Generalized,
    make_generalized,
    write_generalized,
)
from magnet_mm.refshapes.scene import SHAPES, sample_scene
from magnet_mm.refshapes.sentences import choose_expressions, draw_kinds
from magnet_mm.refshapes.style import PLAIN, STYLES, Style
from magnet_mm.refshapes.summary import summarise
from magnet_mm.refshapes.wording import say

#: Raised whenever the same seed starts to give other files.
VERSION = 2
SPLITS = ('train', 'val', 'testA', 'testB')
DEFAULT_COUNTS = {'train': 3500, 'val': 250, 'testA': 250, 'testB': 250}
#: Number of objects of an image, drawn uniformly from these; most images hold few (our choice).
#: testA is the crowded split, as RefCOCO's shows crowds.
USUAL_COUNTS = (3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 6, 7)
OBJECT_COUNTS = {
    'train': USUAL_COUNTS,
    'val': USUAL_COUNTS,
    'testA': (5, 6, 7),
    'testB': USUAL_COUNTS,
}
HELD_OUT_SPLIT = 'testB'
#: No object is covered by more than 40 % (our choice).
VISIBLE = 0.6
#: Scenes tried before other kinds of sentences are drawn for an image.
ATTEMPTS = 40
JPEG_QUALITY = 90

IMAGE_FOLDER = Path('images/mscoco/images/train2014')
ANNOTATION_FOLDER = Path('refshapes')
REFS = 'refs(unc).p'
SETTINGS_FILE = ANNOTATION_FOLDER / 'generator.json'
SUMMARY_FILE = ANNOTATION_FOLDER / 'summary.json'


def make_example(seed: int, split: str, number: int, style: str = PLAIN) -> Example:
    """Make one image of a split, in the colours of a style, with its sentences in plain words."""
    rng = np.random.default_rng([seed, SPLITS.index(split), number])
    count = int(rng.choice(OBJECT_COUNTS[split]))
    held_out = split == HELD_OUT_SPLIT
    for attempt in itertools.count():
        if attempt % ATTEMPTS == 0:
            wanted = draw_kinds(rng, min(4, count))
        scene = sample_scene(rng, count, held_out)
        expressions = choose_expressions(rng, scene, wanted, held_out)
        if expressions is None:
            continue
        image, masks = draw(rng, scene, STYLES[style].rgb)
        if min(visible_shares(scene, masks)) >= VISIBLE:
            break
    sentences: dict[int, list[tuple[str, str]]] = {}
    draws: dict[int, list[dict[str, Any]]] = {}
    for index, said in expressions.items():
        for expression in said:
            draws.setdefault(index, []).append(rng.bit_generator.state)
            text = say(rng, expression)
            sentences.setdefault(index, []).append((expression.kind, text))
    annotations = [segmentation(rng, mask) for mask in masks]
    return Example(scene, image, annotations, sentences, expressions, draws)


def write_refshapes(
    out: str | Path,
    seed: int = 0,
    counts: dict[str, int] | None = None,
    progress: Callable[[Iterator], Iterator] | None = None,
    style: str = PLAIN,
) -> bool:
    """Write the data set.

    The files are written beside ``out`` and moved there when complete: ``out`` is never half full.

    Args:
        out: Data root to make. An earlier result of the same settings is left as it is; files of
            :mod:`.generalized` that it lacks are added.
        seed: The same seed gives the same bytes (with the same library versions).
        counts: Number of images of each split; :data:`DEFAULT_COUNTS` where not given.
        progress: Wraps the iteration over the images, to show progress.
        style: One of :data:`magnet_mm.refshapes.style.STYLES`.

    Returns:
        Whether anything was written (False: it was there already).

    Raises:
        DataError: ``out`` holds something else, a count is negative, or a split or style is
            unknown.
    """
    out = Path(out)
    counts = {**DEFAULT_COUNTS, **(counts or {})}
    if set(counts) != set(SPLITS) or min(counts.values()) < 0:
        raise DataError(f'RefShapes has the splits {SPLITS}, each with 0 or more images: {counts}.')
    if style not in STYLES:
        raise DataError(f'RefShapes has the styles {", ".join(STYLES)}, not {style!r}.')
    settings = {'generator': 'RefShapes', 'version': VERSION, 'seed': seed, 'images': counts}
    if style != PLAIN:
        settings['style'] = style
    if _holds_result(out, settings):
        return _complete(out, settings, progress or (lambda items: items))
    with replacing(out, folder=True) as unfinished:
        _write(unfinished, settings, progress or (lambda items: items))
    return True


def _holds_result(out: Path, settings: dict[str, Any]) -> bool:
    """Return True if ``out`` is this data set, False if it is absent or empty; else raises."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = _read_settings(out)
    if found == settings:
        return True
    held = f'RefShapes made with {found}' if found else 'something that is not RefShapes'
    raise DataError(
        f'{out} holds {held} and is not overwritten. Choose another folder, or delete this one.'
    )


def _complete(
    out: Path, settings: dict[str, Any], progress: Callable[[Iterator], Iterator]
) -> bool:
    """Add the files of :mod:`.generalized` that an earlier release did not write."""
    folder = out / ANNOTATION_FOLDER
    if all((folder / name).is_file() for name in (GREFS, PAIRS)):
        return False
    numbers = _numbers(settings)
    examples = _make_examples(settings, numbers)
    made = [(split, next(examples)[1]) for split, _ in progress(numbers)]
    write_generalized(folder, load_plain_pickle(str(folder / REFS)), made, _style(settings))
    return True


def _numbers(settings: dict[str, Any]) -> list[tuple[str, int]]:
    """Split and number within the split of every image, in order."""
    return [(split, n) for split in SPLITS for n in range(settings['images'][split])]


def _read_settings(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / SETTINGS_FILE).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    ours = isinstance(found, dict) and found.get('generator') == 'RefShapes'
    return found if ours else None


def _write(
    folder: Path, settings: dict[str, Any], progress: Callable[[Iterator], Iterator]
) -> None:
    (folder / IMAGE_FOLDER).mkdir(parents=True)
    (folder / ANNOTATION_FOLDER).mkdir()
    _write_json(folder / SETTINGS_FILE, settings)
    instances: dict[str, Any] = {
        'info': {'description': f'RefShapes {VERSION}, seed {settings["seed"]}'},
        'licenses': [],
        'images': [],
        'annotations': [],
        'categories': [
            {'id': number, 'name': shape, 'supercategory': 'shape'}
            for number, shape in enumerate(SHAPES, start=1)
        ],
    }
    refs: list[dict[str, Any]] = []
    made: list[tuple[str, Generalized]] = []
    numbers = _numbers(settings)
    examples = _make_examples(settings, numbers)
    sentences = 0
    for image_id, (split, _) in enumerate(progress(numbers), start=1):
        example, more = next(examples)
        made.append((split, more))
        name = f'COCO_train2014_{image_id:012d}.jpg'
        _write_jpeg(folder / IMAGE_FOLDER / name, example.image)
        first = len(instances['annotations']) + 1
        _add_instances(instances, example, image_id, name)
        for index in sorted(example.sentences):
            ann_id = first + index
            said = _sentences(example.sentences[index], sentences)
            sentences += len(said)
            refs.append(
                {
                    'ref_id': len(refs),
                    'ann_id': ann_id,
                    'category_id': instances['annotations'][ann_id - 1]['category_id'],
                    'image_id': image_id,
                    'file_name': f'COCO_train2014_{image_id:012d}_{ann_id}.jpg',
                    'split': split,
                    'sent_ids': [sentence['sent_id'] for sentence in said],
                    'sentences': said,
                }
            )
    _write_json(folder / ANNOTATION_FOLDER / 'instances.json', instances)
    _style(settings).rename(refs)
    with open(folder / ANNOTATION_FOLDER / REFS, 'wb') as file:
        pickle.dump(refs, file, protocol=2)
    write_generalized(folder / ANNOTATION_FOLDER, refs, made, _style(settings))
    _write_json(folder / SUMMARY_FILE, summarise(instances, refs))


def _style(settings: dict[str, Any]) -> Style:
    return STYLES[settings.get('style', PLAIN)]


def _make(seed: int, style: str, split: str, number: int) -> tuple[Example, Generalized]:
    example = make_example(seed, split, number, style)
    draw = (seed, SPLITS.index(split), number)
    return example, make_generalized(draw, example, split == HELD_OUT_SPLIT)


def _make_examples(
    settings: dict[str, Any], numbers: list[tuple[str, int]]
) -> Iterator[tuple[Example, Generalized]]:
    """All images in order, made by one process per core."""
    splits, positions = [split for split, _ in numbers], [number for _, number in numbers]
    # fork: the workers need none of the imports again
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context('fork')) as pool:
        seeds = itertools.repeat(settings['seed'])
        styles = itertools.repeat(settings.get('style', PLAIN))
        yield from pool.map(_make, seeds, styles, splits, positions, chunksize=16)


def _add_instances(instances: dict[str, Any], example: Example, image_id: int, name: str) -> None:
    scene = example.scene
    instances['images'].append(
        {'id': image_id, 'file_name': name, 'height': scene.height, 'width': scene.width}
    )
    for thing, annotation in zip(scene.objects, example.annotations, strict=True):
        instances['annotations'].append(
            {
                'id': len(instances['annotations']) + 1,
                'image_id': image_id,
                'category_id': SHAPES.index(thing.shape) + 1,
                **annotation,
                'attributes': {
                    'colour': thing.colour,
                    'size': thing.size,
                    'centre': [round(float(thing.x), 3), round(float(thing.y), 3)],
                    'extent': round(float(thing.extent), 3),
                },
            }
        )


def _sentences(said: list[tuple[str, str]], first: int) -> list[dict[str, Any]]:
    return [
        {'raw': text, 'sent': text, 'sent_id': number, 'tokens': text.split(), 'kind': kind}
        for number, (kind, text) in enumerate(said, start=first)
    ]


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise DataError(f'OpenCV could not encode {path}; is it built with JPEG support?')
    path.write_bytes(data.tobytes())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n', encoding='utf-8')
