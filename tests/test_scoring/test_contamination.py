# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Test images in lists of training images, whatever form the list has."""

from __future__ import annotations

import json
import pickle

import pytest

from magnet_mm.errors import DataError
from magnet_mm.scoring.benchmark import Benchmark
from magnet_mm.scoring.contamination import Source, contamination, find_source

NAME = 'COCO_train2014_{:012d}.jpg'


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('coco.json', dict(images=[dict(id=2), dict(id=77)])),
        # MDETR: an entry per sentence with a number of its own; the name tells
        ('mdetr.json', dict(images=[dict(id=0, file_name=NAME.format(2)) for _ in range(3)])),
        ('vg.json', [dict(image_id=9, coco_id=2), dict(image_id=2, coco_id=None)]),
        (
            'own.jsonl',
            dict(image=f'images/{NAME.format(2)}', expression='x', mask=[0, 0, 5, 0, 5, 5]),
        ),
    ],
)
def test_lists_of_strangers(benchmark, root, name, content):
    (root / name).write_text(json.dumps(content))
    found = contamination(benchmark, [find_source(str(root / name), root)])
    (row,) = found.rows
    assert (row['images'], row['sentences']) == (1, 3)  # image 2 of 2 and 3
    assert (found.seen, found.clean) == ([0, 1, 2], [3])
    assert (found.images, found.sentences, found.without_id) == (2, 4, 0)


def test_known_sources(benchmark, root, refs):
    sources = [find_source(name, root) for name in ('refcoco', 'refcoco+', 'coco2017')]
    found = contamination(benchmark, sources)
    own, plus, coco = found.rows
    assert (own['images'], own['sentences']) == (1, 1)  # image 3 is in train, too
    assert plus['source'] == 'refcocoplus'
    assert 'not checked: there is no refcoco+/refs(unc).p' in plus['unchecked']
    assert 'annotations_trainval2017.zip' in coco['unchecked']
    assert found.seen == [3]

    (root / 'refcoco+').mkdir()
    for ref in refs:
        ref['split'] = 'train' if ref['image_id'] == 2 else 'val'
    (root / 'refcoco+/refs(unc).p').write_bytes(pickle.dumps(refs, 2))
    assert find_source('refcocoplus', root).ids == {2}


def test_what_is_no_source(root):
    with pytest.raises(DataError, match='--trained-on refcocoo: neither one of refcoco, '):
        find_source('refcocoo', root)


def test_images_of_refshapes_are_not_those_of_coco(benchmark):
    benchmark.dataset.dataset_name = 'refshapes'
    with pytest.raises(DataError, match='images of RefShapes are generated'):
        contamination(benchmark, [Source('coco2017')])


def test_own_images_without_ids_are_counted(root):
    line = dict(image='images/a.jpg', expression='x', mask=dict(size=[2, 3], counts=[6]))
    (root / 'own.jsonl').write_text(json.dumps(line))
    (root / 'images').mkdir(exist_ok=True)
    from PIL import Image

    Image.new('RGB', (3, 2)).save(root / 'images/a.jpg')
    benchmark = Benchmark(root, 'own.jsonl', 'val')
    assert next(iter(benchmark.items.values())).size == (2, 3)
    assert contamination(benchmark, [Source('x', ids=frozenset({1}))]).without_id == 1
