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
    'refclef': ('refs(unc).p', 'refs(berkeley).p'),
    'rrsisd': ('refs(unc).p',),
    'ref-zom': ('refs(final).p',),
    'rrefcoco': ('refs(unc).p',),
    'rrefcoco+': ('refs(unc).p',),
    'rrefcocog': ('refs(umd).p',),
    'refcoco-m': ('refs(unc).p',),
}

#: Those that reports miss where other data sets on COCO are.
USUAL = ('refcoco', 'refcoco+', 'refcocog', 'grefcoco')

#: Data sets in JSON lines, as `magnet-mm prepare-data` writes them: a folder with a file a split,
#: and their images in `images`.
JSON_LINES = ('refsegrs', 'phrasecut')

#: Image folder, relative to the data root, of the data sets with one of their own.
IMAGE_FOLDERS = {
    'refclef': 'images/saiapr_tc-12',
    'rrsisd': 'images/rrsisd/JPEGImages',
    'ref-zom': 'images/mscoco/images/trainval2014',
    'refcoco-m': 'refcoco-m/images',
}

#: Data sets with image ids of their own; the others are on COCO 2014.
OWN_IMAGES = ('refshapes', 'refclef', 'rrsisd')

#: By how many rows and columns masks may differ from their images, as the configs allow.
SIZE_TOLERANCE = {'rrsisd': 1}

#: Folder names in use elsewhere, and the name that the configs of this package expect.
OTHER_NAMES = {'refcocop': 'refcoco+', 'refcocoplus': 'refcoco+', 'refcoco_plus': 'refcoco+'}

_PREPARE = 'magnet-mm prepare-data makes it of {} (docs/prepare_data.md)'
IMAGES_SOURCE = 'http://images.cocodataset.org/zips/train2014.zip (13 GB, 82,783 images)'
_REFER = 'https://github.com/lichengunc/refer (its README links {}.zip)'
_ROBUST = 'https://github.com/jianzongwu/robust-ref-seg (its README links the files)'
SOURCES = {
    'refcoco': _REFER.format('refcoco'),
    'refcoco+': _REFER.format('refcoco+'),
    'refcocog': _REFER.format('refcocog'),
    'grefcoco': 'https://github.com/henghuiding/gRefCOCO (its README links the files)',
    'refshapes': 'python tools/dataset_tools/make_refshapes.py ROOT',
    'refclef': _REFER.format('refclef'),
    'rrsisd': 'https://github.com/Lsan2401/RMSIN (its README links the files)',
    'ref-zom': 'https://github.com/toggle1995/RIS-DMMI (its README links the files)',
    'rrefcoco': _ROBUST,
    'rrefcoco+': _ROBUST,
    'rrefcocog': _ROBUST,
    'refcoco-m': _PREPARE.format('the hub set moondream/refcoco-m'),
    'refsegrs': _PREPARE.format('the files of https://github.com/zhu-xlab/rrsis'),
    'phrasecut': _PREPARE.format('those of https://github.com/ChenyunWu/PhraseCutDataset'),
}


class SplitCounts(NamedTuple):
    """Refs, images and expressions of one split; None where no number is published."""

    refs: int
    images: int | None = None
    expressions: int | None = None


def difference(expected: SplitCounts, found: SplitCounts) -> str:
    """Say which counts differ from the expected ones; empty if none does."""
    pairs = zip(SplitCounts._fields, expected, found, strict=True)
    return ', '.join(
        f'{count:,} {what} instead of {wanted:,}'
        for what, wanted, count in pairs
        if wanted is not None and wanted != count
    )


#: Published counts by (dataset, split by): docs/data.md. gRefCOCO has none: its releases differ.
PUBLISHED: dict[tuple[str, str | None], dict[str, SplitCounts]] = {
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
    ('rrsisd', 'unc'): {
        'train': SplitCounts(12181),
        'val': SplitCounts(1740),
        'test': SplitCounts(3481),
    },
    ('refcoco-m', 'unc'): {'val': SplitCounts(2080, 1190, 5598)},
    ('refsegrs', None): {
        'train': SplitCounts(2172),
        'val': SplitCounts(431),
        'test': SplitCounts(1817),
    },
    ('phrasecut', None): {
        'train': SplitCounts(310816, 71746),
        'val': SplitCounts(20316, 2971),
        'test': SplitCounts(14354, 2545),
        'miniv': SplitCounts(821, 100),
    },
}

#: Divisions that part objects, not images: an image may be in train and val (TFDS, ref_coco).
SHARES_IMAGES = {('refcoco', 'google'), ('refcocog', 'google')}
