# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO-M (hub set moondream/refcoco-m): RefCOCO's val with other masks, a benchmark of its own.

Its images come with it and are written beside the annotations: they need not be those of COCO
byte for byte.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from magnet_mm.data_tools.preparing.original_files import source_paths
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared
from magnet_mm.data_tools.preparing.refer_builder import COCO_CATEGORIES, ReferBuilder
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.datasets.image_files import open_image
from magnet_mm.datasets.image_paths import check_file_name
from magnet_mm.errors import DataError

DATASET = 'refcoco-m'
SPLIT = 'val'


def prepare_refcoco_m(
    files: Sequence[SourceFile], open_parquet: Callable[[SourceFile], Any]
) -> Prepared:
    """Convert rows of an image with its `samples` (id, category, sentences, bbox, mask).

    A sample's mask is an RLE in COCO's compressed form; ids are kept where they are unique.

    Raises:
        DataError: A row cannot be used, or an image has no bytes.
    """
    dropped = Dropped()
    builder = ReferBuilder(dropped)
    names: dict[str, int] = {}
    sent_id = 0
    for row in _rows(files, open_parquet, ['image_id', 'file_name', 'samples']):
        for sample in row['samples']:
            where = f'{files[0].name}: image {row["image_id"]}, sample {sample.get("id")}'
            sentences = [
                {'raw': text, 'sent': text, 'sent_id': sent_id + place, 'tokens': text.split()}
                for place, text in enumerate(sample['sentences'])
            ]
            sent_id += len(sentences)
            name = sample.get('category') or 'object'
            category = names.setdefault(name, _category_id(name, names))
            _add(builder, row, sample, category, sentences, where)
    categories = [{'id': number, 'name': name} for name, number in names.items()]

    def contents() -> Iterator[tuple[str, bytes]]:
        yield from builder.contents(sorted(categories, key=lambda one: one['id']))
        sizes = {one['file_name']: (one['height'], one['width']) for one in builder.images.values()}
        for row in _rows(files, open_parquet, ['file_name', 'image']):
            name, data = row['file_name'], row['image']
            data = data.get('bytes') if isinstance(data, dict) else data
            if data:
                _check_size(data, name, sizes.get(name))
                yield f'images/{name}', data
            else:
                dropped.add('images', "no bytes in the file; take COCO's train2014", name)

    return Prepared(
        DATASET,
        'RefCOCO-M, val alone: other masks than RefCOCO (unc) val, scores do not compare',
        source_paths(files),
        contents,
        dropped,
    )


def _rows(
    files: Sequence[SourceFile], open_parquet: Callable[[SourceFile], Any], columns: list[str]
) -> Iterator[dict]:
    for file in files:
        for batch in open_parquet(file).iter_batches(batch_size=64, columns=columns):
            yield from batch.to_pylist()


def _category_id(name: str, taken: dict[str, int]) -> int:
    """COCO's id of a name; behind COCO's for another name."""
    for category in COCO_CATEGORIES:
        if category['name'] == name:
            return category['id']
    return 91 + sum(number > 90 for number in taken.values())


def _add(
    builder: ReferBuilder,
    row: dict,
    sample: dict,
    category: int,
    sentences: list[dict],
    where: str,
) -> None:
    mask = sample.get('mask') or {}
    height, width = mask.get('size') or (0, 0)
    counts = mask.get('counts')
    counts = counts.decode('ascii', 'replace') if isinstance(counts, bytes) else counts
    annotation = {
        'id': sample['id'],
        'image_id': row['image_id'],
        'category_id': category,
        'iscrowd': 0,
        'segmentation': [{'size': [height, width], 'counts': counts}],
    }
    image = {'id': row['image_id'], 'file_name': row['file_name'], 'height': height, 'width': width}
    ref = {
        'ref_id': sample['id'],
        'ann_id': sample['id'],
        'category_id': category,
        'image_id': row['image_id'],
        'file_name': row['file_name'],
        'split': SPLIT,
        'sent_ids': [said['sent_id'] for said in sentences],
        'sentences': sentences,
    }
    builder.add('refs(unc).p', ref, annotation, image, where)


def _check_size(data: bytes, name: str, annotated: tuple[int, int] | None) -> None:
    """Check that an image has the height and width of its masks, if it has masks.

    Raises:
        DataError: It has not, or its name leads out of the folder.
    """
    check_file_name(name, DATASET)
    with open_image(io.BytesIO(data)) as image:
        size = image.height, image.width
    if annotated is not None and size != annotated:
        raise DataError(
            f'{DATASET}: the image {name} is {size} (height, width), its masks are {annotated}. '
            'Get the parquet file again.'
        )
