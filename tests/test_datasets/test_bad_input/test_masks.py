# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Polygons and RLEs of every odd kind: the right pixels, or an error that names the annotation."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.masks import (
    MAX_POLYGONS,
    check_binary,
    rle_to_mask,
    segmentation_to_rle,
)
from magnet_mm.errors import DataError

HEIGHT, WIDTH = 6, 8
WHERE = 'instances.json: annotation 7 of ref 3'
NAN, INFINITY = float('nan'), float('inf')


def box(left, top, right, bottom):
    """A mask whose pixels are 1 from (left, top) up to, not including, (right, bottom)."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    return mask


def square(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


BOW_TIE = box(0, 0, 4, 3)
BOW_TIE[[0, 0, 2, 2], [1, 2, 1, 2]] = 0
EMPTY = box(0, 0, 0, 0)
RANDOM = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
COMPRESSED = coco_mask.encode(np.asfortranarray(RANDOM))['counts']
ZIGZAG = [value for _ in range(20) for value in (0, 0, WIDTH, HEIGHT)]

# case: (segmentation, the mask or what the DataError says)
POLYGONS = {
    'square': ([square(2, 1, 6, 4)], box(2, 1, 6, 4)),
    'one pixel': ([square(3, 2, 4, 3)], box(3, 2, 4, 3)),
    'whole image': ([square(0, 0, 8, 6)], box(0, 0, 8, 6)),
    'first point repeated at the end': ([[*square(2, 1, 6, 4), 2, 1]], box(2, 1, 6, 4)),
    'points in the other direction': ([[2, 4, 6, 4, 6, 1, 2, 1]], box(2, 1, 6, 4)),
    'parts that overlap': (
        [square(0, 0, 4, 3), square(2, 1, 6, 5)],
        box(0, 0, 4, 3) | box(2, 1, 6, 5),
    ),
    'self-intersecting (bow tie)': ([[0, 0, 4, 4, 4, 0, 0, 4]], BOW_TIE),
    'partly outside': ([square(-3, -2, 5, 5)], box(0, 0, 5, 5)),
    'point': ([[1, 1, 1, 1, 1, 1]], EMPTY),
    'line': ([[0, 0, 1, 1, 2, 2]], EMPTY),
    'smaller than a pixel': ([[2.2, 1.1, 2.4, 1.1, 2.4, 1.3, 2.2, 1.3]], EMPTY),
    'entirely outside': ([square(9, 1, 12, 4)], 'does not fit an image of 6 x 8'),
    'farther out than the image is large': (
        [square(0, 0, 10**9, 4)],
        'does not fit an image of 6 x 8',
    ),
    'NaN coordinate': ([[NAN, 1, 6, 1, 6, 4]], 'no finite number: nan'),
    'infinite coordinate': ([[INFINITY, 1, 6, 1, 6, 4]], 'no finite number: inf'),
    'number beyond any float': ([[10**400, 1, 6, 1, 6, 4]], 'no finite number'),
    'text as coordinate': ([['1', 1, 6, 1, 6, 4]], "no finite number: '1'"),
    'null as coordinate': ([[None, 1, 6, 1, 6, 4]], 'no finite number'),
    'true as coordinate': ([[True, 1, 6, 1, 6, 4]], 'no finite number'),
    'two points': ([[1, 1, 2, 2]], 'at least 3 points, found a list of 4'),
    'odd number of coordinates': ([[1, 2, 3, 4, 5, 6, 7]], 'at least 3 points'),
    'polygon that is no list': ([5], 'at least 3 points'),
    'no polygon': ([], 'neither a non-empty list of polygons'),
    'null': (None, 'neither a non-empty list of polygons'),
    f'more than {MAX_POLYGONS:,} parts': (
        [square(0, 0, 1, 1)] * (MAX_POLYGONS + 1),
        'taken for an attack',
    ),
    'edges that cross the image hundreds of times': ([ZIGZAG * 5], 'pixels long'),
}
RLES = {
    'run lengths': (dict(size=[6, 8], counts=[7, 3, 38]), box(1, 1, 2, 4)),
    'compressed, str': (dict(size=[6, 8], counts=COMPRESSED.decode()), RANDOM),
    'compressed, bytes': (dict(size=[6, 8], counts=COMPRESSED), RANDOM),
    'empty': (dict(size=[6, 8], counts=[48]), EMPTY),
    'full': (dict(size=[6, 8], counts=[0, 48]), box(0, 0, 8, 6)),
    'runs of length 0': (dict(size=[6, 8], counts=[3, 0, 4, 3, 38]), box(1, 1, 2, 4)),
    'list of RLEs (RRSIS-D, RefCLEF)': (
        [dict(size=[6, 8], counts=[7, 3, 38]), dict(size=[6, 8], counts=COMPRESSED.decode())],
        box(1, 1, 2, 4) | RANDOM,
    ),
    'list of RLEs and polygons': (
        [dict(size=[6, 8], counts=[48]), square(0, 0, 1, 1)],
        '"size"',
    ),
    'height and width swapped': (dict(size=[8, 6], counts=[48]), r'size \[8, 6\]'),
    'of another size': (dict(size=[3, 3], counts=[9]), r'RLE has size \[3, 3\]'),
    'size of 10^12 pixels': (dict(size=[10**6, 10**6], counts=[10**12]), 'at most'),
    'size 0': (dict(size=[0, 8], counts=[]), 'at least 1'),
    'size of fractions': (dict(size=[6.0, 8], counts=[48]), 'at least 1'),
    'too few pixels': (dict(size=[6, 8], counts=[7, 3]), 'do not add up'),
    'too many pixels': (dict(size=[6, 8], counts=[7, 3, 39]), 'do not add up'),
    'no runs': (dict(size=[6, 8], counts=[]), 'do not add up'),
    'negative run': (dict(size=[6, 8], counts=[-7, 17, 38]), 'do not add up'),
    'fractional run': (dict(size=[6, 8], counts=[7.5, 2.5, 38]), 'do not add up'),
    'run of NaN': (dict(size=[6, 8], counts=[NAN, 48]), 'do not add up'),
    'compressed, cut within a number': (dict(size=[6, 8], counts='0`'), 'do not add up'),
    'compressed, a number of 10^5 digits': (
        dict(size=[6, 8], counts='o' * 100_000),
        'do not add up',
    ),
    'compressed, not ASCII': (dict(size=[6, 8], counts='0ü'), 'do not add up'),
    'without size': (dict(counts=[48]), '"size"'),
    'counts of another type': (dict(size=[6, 8], counts=48), '"counts"'),
}


@pytest.mark.parametrize('case', [*POLYGONS, *RLES])
def test_case(case):
    segmentation, expected = {**POLYGONS, **RLES}[case]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected) as caught:
            segmentation_to_rle(segmentation, HEIGHT, WIDTH, WHERE)
        assert str(caught.value).startswith(WHERE) and len(str(caught.value)) < 500
    else:
        mask = rle_to_mask(segmentation_to_rle(segmentation, HEIGHT, WIDTH, WHERE))
        np.testing.assert_array_equal(mask, expected)


@given(st.tuples(*[st.integers(-6, 12)] * 4))
@settings(max_examples=60, deadline=None)
def test_rectangles_are_cut_at_the_border(corners):
    left, right = sorted((corners[0], corners[1]))
    top, bottom = sorted((corners[2], corners[3]))
    try:
        rle = segmentation_to_rle([square(left, top, right, bottom)], HEIGHT, WIDTH, WHERE)
    except DataError:
        assert left > WIDTH or right < 0 or top > HEIGHT or bottom < 0
    else:
        np.testing.assert_array_equal(rle_to_mask(rle), box(left, top, right, bottom))


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 10**6), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_any_mask_is_decoded_from_its_rle(height, width, seed, share):
    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    rle = coco_mask.encode(np.asfortranarray(mask))
    for counts in (rle['counts'], rle['counts'].decode()):
        found = segmentation_to_rle(dict(size=[height, width], counts=counts), height, width, WHERE)
        np.testing.assert_array_equal(rle_to_mask(found), mask)


numbers = st.integers(-20, 20) | st.floats() | st.integers()
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
segmentations = (
    anything
    | st.lists(st.lists(numbers, min_size=6, max_size=12), max_size=3)
    | st.fixed_dictionaries(
        dict(
            size=st.just([HEIGHT, WIDTH]) | anything,
            counts=st.lists(st.integers(-1, 48)) | st.text() | st.binary() | anything,
        )
    )
)


@given(segmentations)
@settings(max_examples=100, deadline=None)
def test_anything_else_is_a_mask_or_our_error(segmentation):
    try:
        mask = rle_to_mask(segmentation_to_rle(segmentation, HEIGHT, WIDTH, WHERE))
    except DataError as error:
        assert str(error).startswith(WHERE) and len(str(error)) < 500
        json.dumps(str(error)).encode()  # a message that can be shown
    else:
        assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) <= {0, 1}


def rle_of(mask):
    return dict(
        size=list(mask.shape),
        counts=coco_mask.encode(np.asfortranarray(mask))['counts'].decode(),
    )


def test_truth_27_a_list_of_rles_is_their_union():
    parts = [box(0, 0, 3, 2), box(2, 1, 5, 4), box(7, 5, 8, 6)]
    found = segmentation_to_rle([rle_of(part) for part in parts], HEIGHT, WIDTH, WHERE)
    np.testing.assert_array_equal(rle_to_mask(found), parts[0] | parts[1] | parts[2])


def test_truth_28_a_mask_a_row_too_small_is_refused_with_advice_or_padded():
    small = rle_of(RANDOM[:-1])
    for segmentation in (small, [small]):
        with pytest.raises(DataError, match=r'nearly fit.*size_tolerance=1 of') as caught:
            segmentation_to_rle(segmentation, HEIGHT, WIDTH, WHERE)
        assert 'COCO' not in str(caught.value)
        padded = rle_to_mask(segmentation_to_rle(segmentation, HEIGHT, WIDTH, WHERE, 1))
        np.testing.assert_array_equal(padded[:-1], RANDOM[:-1])
        assert padded.shape == (HEIGHT, WIDTH) and not padded[-1].any()
    with pytest.raises(DataError, match='size_tolerance=2'):
        segmentation_to_rle(rle_of(RANDOM[:-2]), HEIGHT, WIDTH, WHERE, 1)


def test_truth_28_a_larger_mask_is_cropped():
    large = np.pad(RANDOM, ((0, 1), (0, 2)), constant_values=1)
    cropped = segmentation_to_rle(rle_of(large), HEIGHT, WIDTH, WHERE, 2)
    np.testing.assert_array_equal(rle_to_mask(cropped), RANDOM)


def test_truth_16_another_label_than_0_and_1_is_one_clear_error():
    for good in (RANDOM, RANDOM.astype(bool), RANDOM.astype(np.float32)):
        check_binary(good, 'a.jpg')
    for label in (2, 255):
        with pytest.raises(DataError, match=f'a.jpg: the mask has the label.s. {label}, but 0 is'):
            check_binary(RANDOM * label, 'a.jpg')
    with pytest.raises(DataError, match='0.5'):
        check_binary(RANDOM * 0.5, 'a.jpg')


def test_truth_19_overlapping_polygons_are_united():
    parts = [square(0, 0, 30, 30), square(20, 20, 50, 50)]
    mask = rle_to_mask(segmentation_to_rle(parts, 60, 60, WHERE))
    assert mask.sum() == 1700  # the released LAVT: 1,600 (docs/model_zoo.md)
    added = sum(rle_to_mask(segmentation_to_rle([part], 60, 60, WHERE)) for part in parts)
    assert (added == 1).sum() == 1600
