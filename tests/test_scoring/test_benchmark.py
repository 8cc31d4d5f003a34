# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A split as it is scored: items and true masks from the annotation files."""

from __future__ import annotations

import pytest
from pycocotools import mask as coco_mask

from magnet_mm.apis.config_files import config_folder
from magnet_mm.errors import ConfigError
from magnet_mm.scoring import Benchmark
from magnet_mm.scoring.benchmark import _settings


def test_items_and_targets(benchmark):
    assert (benchmark.name, benchmark.split, benchmark.generalized) == ('refcoco', 'val', False)
    assert benchmark.input_size == (480, 480)
    assert list(benchmark.items) == [(4, 40), (4, 41), (5, 50), (6, 60)]
    areas = [coco_mask.area(benchmark.target(item)) for item in benchmark.items.values()]
    assert areas == [64, 64, 36, 49]
    item = benchmark.items[5, 50]
    assert (item.expression, item.kind, item.img_id, item.size) == (
        *('upper box', 'attribute', 2),
        (30, 40),
    )
    # 6 x 6 pixels on 30 x 40, halved; in a box of 20 x 20 the image is 15 x 20 pixels
    assert coco_mask.area(benchmark.target_at(item, (15, 20), None)) == 9
    boxed = benchmark.target_at(item, (20, 20), (2, 0, 15, 20))
    assert coco_mask.toBbox(boxed).tolist() == [10, 4, 3, 3]


def test_names(root):
    with pytest.raises(ConfigError, match='Shipped are grefcoco, .*refcoco, .*refshapes'):
        Benchmark(root, 'refcocos', 'val')


def test_every_shipped_data_set_has_a_benchmark():
    for path in (config_folder() / '_base_/datasets').glob('*.py'):
        if path.stem != 'mixed' and '_' not in path.stem:
            settings, steps = _settings('root', path.stem, 'val')
            assert settings['data_root'] == 'root' and len(steps['Resize'].scale) == 2
            assert 'LoadReferringMask' in steps


def test_description(benchmark):
    (data,) = benchmark.description
    counts = {key: data[key] for key in ('dataset_name', 'split', 'sentences', 'references')}
    assert counts == dict(dataset_name='refcoco', split='val', sentences=4, references=3)
    assert data['images'] == 2
    assert set(data['files']) == {'instances.json', 'refs(unc).p'}
