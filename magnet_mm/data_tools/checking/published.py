# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a complete download holds, and where users find it."""

from __future__ import annotations

from typing import NamedTuple

#: Image folder of each layout, relative to the data root (docs/data.md).
LAYOUTS = {
    'refer': 'images/mscoco/images/train2014',
    'mmdetection': 'train2014',
}

#: The refs files of each dataset, in the order in which they are listed.
REFS_FILES = {
    'refcoco': ('refs(unc).p', 'refs(google).p'),
    'refcoco+': ('refs(unc).p',),
    'refcocog': ('refs(umd).p', 'refs(google).p'),
    'grefcoco': ('grefs(unc).json',),
    'refshapes': ('refs(unc).p',),
}

#: Folder names in use elsewhere, and the name that the configs of this package expect.
OTHER_NAMES = {'refcocop': 'refcoco+', 'refcocoplus': 'refcoco+', 'refcoco_plus': 'refcoco+'}

IMAGES_SOURCE = 'http://images.cocodataset.org/zips/train2014.zip (13 GB, 82,783 images)'
_REFER = 'https://github.com/lichengunc/refer (its README links {}.zip)'
SOURCES = {
    'refcoco': _REFER.format('refcoco'),
    'refcoco+': _REFER.format('refcoco+'),
    'refcocog': _REFER.format('refcocog'),
    'grefcoco': 'https://github.com/henghuiding/gRefCOCO (its README links the files)',
    'refshapes': 'python tools/dataset_tools/make_refshapes.py ROOT',
}


class SplitCounts(NamedTuple):
    """Refs, images and expressions of one split; None where no number is published."""

    refs: int
    images: int
    expressions: int | None = None


#: Published counts by (dataset, split by): docs/data.md. gRefCOCO has none: its releases differ.
PUBLISHED = {
    ('refcoco', 'unc'): {
        'train': SplitCounts(42404, 16994, 120624),
        'val': SplitCounts(3811, 1500, 10834),
        'testA': SplitCounts(1975, 750, 5657),
        'testB': SplitCounts(1810, 750, 5095),
    },
    ('refcoco', 'google'): {
        'train': SplitCounts(40000, 19213),
        'val': SplitCounts(5000, 4559),
        'test': SplitCounts(5000, 4527),
    },
    ('refcoco+', 'unc'): {
        'train': SplitCounts(42278, 16992),
        'val': SplitCounts(3805, 1500),
        'testA': SplitCounts(1975, 750),
        'testB': SplitCounts(1798, 750),
    },
    ('refcocog', 'umd'): {
        'train': SplitCounts(42226, 21899),
        'val': SplitCounts(2573, 1300),
        'test': SplitCounts(5023, 2600),
    },
    ('refcocog', 'google'): {
        'train': SplitCounts(44822, 24698),
        'val': SplitCounts(5000, 4650),
    },
}

#: Divisions that part objects, not images: an image may be in train and val (TFDS, ref_coco).
SHARES_IMAGES = {('refcoco', 'google'), ('refcocog', 'google')}
