# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A hand-written RefCOCO-style data root: three images of 30 x 40 pixels, five objects."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 30, 40
NAMES = {1: 'COCO_train2014_1.jpg', 2: 'COCO_train2014_2.jpg', 3: 'COCO_train2014_3.jpg'}


def _square(x: int, y: int, side: int) -> list[int]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def _box_mask(x: int, y: int, side: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def _run_lengths(mask: np.ndarray) -> list[int]:
    runs, value, length = [], 0, 0
    for pixel in mask.flatten(order='F').tolist():
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    return [*runs, length]


COMPRESSED = coco_mask.encode(np.asfortranarray(_box_mask(20, 4, 6)))['counts'].decode('ascii')

INSTANCES = dict(
    images=[
        dict(id=key, file_name=name, height=HEIGHT, width=WIDTH) for key, name in NAMES.items()
    ],
    annotations=[
        # 11: one square; 12: two squares that overlap in 5 x 5 pixels
        dict(id=11, image_id=1, segmentation=[_square(2, 3, 10)]),
        dict(id=12, image_id=1, segmentation=[_square(20, 10, 10), _square(25, 15, 10)]),
        dict(
            id=21,
            image_id=2,
            segmentation=dict(size=[HEIGHT, WIDTH], counts=_run_lengths(_box_mask(5, 6, 8))),
        ),
        dict(id=22, image_id=2, segmentation=dict(size=[HEIGHT, WIDTH], counts=COMPRESSED)),
        dict(id=31, image_id=3, segmentation=[_square(0, 0, 7)]),
    ],
    categories=[dict(id=1, name='thing')],
)


def _ref(ref_id: int, ann_id: int, image_id: int, split: str, *raws: str) -> dict:
    sentences = [
        dict(
            raw=raw,
            sent=raw.lower().strip(),
            sent_id=ref_id * 10 + place,
            tokens=raw.split(),
            kind=('attribute', 'place', 'relation')[place % 3],
        )
        for place, raw in enumerate(raws)
    ]
    return dict(
        ref_id=ref_id,
        ann_id=ann_id,
        category_id=1,
        image_id=image_id,
        file_name=f'mangled_{ann_id}.jpg',
        split=split,
        sent_ids=[sentence['sent_id'] for sentence in sentences],
        sentences=sentences,
    )


REFS = [
    _ref(1, 11, 1, 'train', 'the Red square ', 'left square', 'square at left'),
    _ref(2, 11, 1, 'train', 'same object, another ref'),
    _ref(3, 12, 1, 'train', 'das größere Quadrat', '右'),
    _ref(4, 21, 2, 'val', 'lower box', 'box below'),
    _ref(5, 22, 2, 'val', 'upper box'),
    _ref(6, 31, 3, 'val', 'corner'),
    _ref(7, 12, 1, 'testA', 'two squares'),
    _ref(8, 31, 3, 'train', 'corner piece'),
]


@pytest.fixture(autouse=True)
def mmseg_scope():
    """Pipelines look their transforms up in mmseg's registry, as under a Runner."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture
def instances() -> dict:
    """A fresh copy of the tiny `instances.json`."""
    return copy.deepcopy(INSTANCES)


@pytest.fixture
def refs() -> list[dict]:
    """A fresh copy of the tiny refs."""
    return copy.deepcopy(REFS)


@pytest.fixture
def write_data(tmp_path: Path) -> Callable[..., dict]:
    """Writes a data root and returns the dataset arguments that read it."""

    def write(
        refs: list | None = None,
        instances: dict | None = None,
        name: str = 'refcoco',
        images: str = 'images/mscoco/images/train2014',
        protocol: int = 2,
    ) -> dict:
        refs_file = tmp_path / name / 'refs(unc).p'
        refs_file.parent.mkdir(parents=True, exist_ok=True)
        refs_file.write_bytes(pickle.dumps(REFS if refs is None else refs, protocol))
        (tmp_path / name / 'instances.json').write_text(json.dumps(instances or INSTANCES))
        (tmp_path / images).mkdir(parents=True, exist_ok=True)
        for seed, file_name in NAMES.items():
            pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / images / file_name, quality=95)
        return dict(
            data_root=str(tmp_path),
            ann_file=f'{name}/instances.json',
            refs_file=f'{name}/refs(unc).p',
            data_prefix=dict(img_path=images),
        )

    return write


@pytest.fixture
def vocabulary(tmp_path: Path) -> str:
    """A tiny WordPiece vocabulary: ids 0..4 are the special tokens."""
    directory = tmp_path / 'vocabulary'
    directory.mkdir()
    words = '[PAD] [UNK] [CLS] [SEP] [MASK] red square ##s left the'.split()
    (directory / 'vocab.txt').write_text('\n'.join(words) + '\n')
    return str(directory)


@pytest.fixture
def pipeline(vocabulary: str) -> list[dict]:
    """The pipeline of the shipped configs, at 12 x 16 pixels (height x width)."""
    return [
        dict(type='LoadReferringImage'),
        dict(type='LoadReferringMask'),
        dict(type='Resize', scale=(16, 12), keep_ratio=False, backend='pillow'),
        dict(type='TokenizeExpression', tokenizer=vocabulary, max_tokens=8),
        dict(type='PackReferringInputs'),
    ]
