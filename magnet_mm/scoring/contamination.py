# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which test images a model has seen in training, by the lists of its training data.

Images are the same where they have the same COCO id. Where a list names images by file
(``COCO_train2014_000000380440.jpg``, ``000000380440.jpg``), the id stands in the name, so that
COCO 2014, COCO 2017 and what others derived from them meet.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magnet_mm.datasets.annotations.refer_pickle import read_bytes
from magnet_mm.datasets.annotations.refs_reader import is_json
from magnet_mm.datasets.held_out import held_out_images
from magnet_mm.errors import DataError
from magnet_mm.scoring.benchmark import OTHER_NAMES, Benchmark

_COCO_NAME = re.compile(r'(?:^|\D)(\d{12})\.\w+$', re.ASCII)

#: Source: where its list usually lies below the data root. The first that is there is read.
KNOWN = {
    'refcoco': ('refcoco/refs(unc).p',),
    'refcocoplus': ('refcoco+/refs(unc).p',),
    'refcocog-umd': ('refcocog/refs(umd).p',),
    'refcocog-google': ('refcocog/refs(google).p',),
    'grefcoco': ('grefcoco/grefs(unc).json', 'grefcoco/grefs(unc).p'),
    'refshapes': ('refshapes/refs(unc).p',),
    'coco2014': ('annotations/instances_train2014.json', 'annotations/captions_train2014.json'),
    'coco2017': ('annotations/instances_train2017.json', 'annotations/captions_train2017.json'),
    'vg': ('image_data.json', 'vg/image_data.json', 'visual_genome/image_data.json'),
}
_ADVICE = {
    'coco2014': 'unpack annotations_trainval2014.zip of cocodataset.org there',
    'coco2017': 'unpack annotations_trainval2017.zip of cocodataset.org there',
    'vg': 'get image_data.json of Visual Genome (homes.cs.washington.edu/~ranjay/visualgenome)',
}


@dataclass(frozen=True)
class Source:
    """A list of training images: its name, the file it was read from, and the images' ids.

    ``unchecked`` says why nothing is known, where the list could not be had.
    """

    name: str
    file: str | None = None
    ids: frozenset[int] = frozenset()
    unchecked: str | None = None


@dataclass(frozen=True)
class Contamination:
    """What the sources hold of a benchmark.

    Attributes:
        sources: the lists.
        seen: positions of the items whose image is in any of them.
        clean: positions of the others.
        rows: per source its name, file, test images and sentences in it, or why it is unchecked.
        images: number of test images; ``sentences`` likewise.
        without_id: number of test images (own data) that have no COCO id: they count as clean,
            although nothing could be compared.
    """

    seen: list[int]
    clean: list[int]
    rows: list[dict[str, Any]]
    images: int
    sentences: int
    without_id: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``scores.json``."""
        return dict(
            sources=self.rows,
            images=self.images,
            sentences=self.sentences,
            seen_sentences=len(self.seen),
            images_without_id=self.without_id,
        )


def find_source(name: str, root: str | os.PathLike[str]) -> Source:
    """Read the training images of a source.

    Args:
        name: One of :data:`KNOWN` (``refcoco+`` and ``refcocog`` too), or a file: annotations of
            COCO (``images`` with ``file_name`` or ``id``), ``image_data.json`` of Visual Genome
            (``coco_id``), a refs file, whose split ``train`` counts, or JSON lines of own data.
        root: Data root, where the files of known sources are looked for.

    Raises:
        DataError: It is neither a known source nor a file, or the file cannot be read.
    """
    name = OTHER_NAMES.get(name, name)
    if name not in KNOWN:
        if not os.path.isfile(name):
            raise DataError(
                f'--trained-on {name}: neither one of {", ".join(KNOWN)} nor a file with a list of '
                'images (docs/scoring.md).'
            )
        return Source(name, name, frozenset(_read_ids(name)))
    for path in (Path(root) / place for place in KNOWN[name]):
        if path.is_file():
            return Source(name, str(path), frozenset(_read_ids(str(path))))
    advice = _ADVICE.get(name, 'put the data set there')
    return Source(
        name,
        unchecked=f'not checked: there is no {" or ".join(KNOWN[name])} in {root}; {advice}, or '
        'name its file',
    )


def contamination(benchmark: Benchmark, sources: Sequence[Source]) -> Contamination:
    """Compare the images of a benchmark with lists of training images.

    Raises:
        DataError: The images were generated, and other lists than their own are given.
    """
    foreign = [source.name for source in sources if source.name != 'refshapes']
    if foreign and benchmark.name.endswith('refshapes'):
        raise DataError(
            f'--trained-on {",".join(foreign)}: the images of RefShapes are generated and in no '
            'other data set, although their names look like those of COCO.'
        )
    ids = [_coco_id(item.img_path, item.img_id) for item in benchmark.items.values()]
    all_ids = frozenset().union(*(source.ids for source in sources))
    rows = []
    for source in sources:
        row: dict[str, Any] = dict(source=source.name, file=source.file)
        if source.unchecked is None:
            row.update(
                images=len(source.ids & set(ids)), sentences=sum(one in source.ids for one in ids)
            )
        else:
            row['unchecked'] = source.unchecked
        rows.append(row)
    return Contamination(
        seen=[index for index, one in enumerate(ids) if one in all_ids],
        clean=[index for index, one in enumerate(ids) if one not in all_ids],
        rows=rows,
        images=len(set(ids)),
        sentences=len(ids),
        without_id=len({one for one in ids if one < 0}),
    )


def _read_ids(path: str) -> set[int]:
    data = read_bytes(path)
    if not is_json(data):
        return _trained_ids(path)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None  # perhaps JSON lines
    if isinstance(content, dict) and isinstance(content.get('images'), list):
        return _image_ids(content['images'], path, 'id')
    if isinstance(content, list) and content and _has_coco_id(content[0]):
        return _image_ids(content, path, 'coco_id')
    return _trained_ids(path)


def _trained_ids(path: str) -> set[int]:
    """Images of the split train of a refs file, or of JSON lines."""
    trained = held_out_images(path, splits=['train'])
    named = {_coco_id(one, None) for one in trained.paths}
    return trained.ids | (named - {None})


def _has_coco_id(entry: Any) -> bool:
    return isinstance(entry, dict) and 'coco_id' in entry


def _image_ids(entries: list, path: str, key: str) -> set[int]:
    """COCO ids of a list of images; one of Visual Genome that is none of COCO's has none."""
    if not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f'{path}: its list of images holds something else. Download it again.')
    found = {_coco_id(str(entry.get('file_name', '')), entry.get(key)) for entry in entries}
    return {one for one in found if type(one) is int}


def _coco_id(path: str, number: Any) -> Any:
    """Return the id in a COCO file name; else the number."""
    match = _COCO_NAME.search(path)
    return int(match[1]) if match else number
