# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes' scenes, drawing and segmentations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from magnet_mm.datasets.annotations.masks import rle_to_mask, segmentation_to_rle
from magnet_mm.refshapes.annotations import segmentation
from magnet_mm.refshapes.drawing import RGB, draw, outline, visible_shares
from magnet_mm.refshapes.scene import (
    CLOSEST,
    COLOURS,
    EXTENTS,
    SHAPES,
    Scene,
    SceneObject,
    sample_scene,
)

AREAS = {'circle': 0.782, 'square': 0.819, 'triangle': 0.499, 'cross': 0.646}


def decode(written, height: int, width: int) -> np.ndarray:
    return rle_to_mask(segmentation_to_rle(written, height, width, 'test'))


def test_sampled_scenes_keep_their_promises():
    rng = np.random.default_rng(0)
    overlaps = 0
    for count in (3, 5, 7):
        for _ in range(30):
            scene = sample_scene(rng, count)
            assert len(scene.objects) == count
            for i, thing in enumerate(scene.objects):
                low, high = EXTENTS[thing.size]
                assert low <= thing.extent / scene.short_side <= high
                points = outline(thing)
                assert points.min() > -0.5
                assert np.all(points.max(axis=0) < (scene.width + 0.5, scene.height + 0.5))
                for other in scene.objects[:i]:
                    distance = np.hypot(thing.x - other.x, thing.y - other.y)
                    touching = (thing.extent + other.extent) / 2
                    assert distance >= CLOSEST * touching
                    overlaps += distance < touching
    assert overlaps > 20


@pytest.mark.parametrize('shape', SHAPES)
def test_outline_has_the_shapes_area_and_centre(shape):
    thing = SceneObject('large', 'red', shape, x=50.0, y=40.0, extent=30.0, angle=0.2)
    points = outline(thing).astype(np.float32)
    assert cv2.contourArea(points) / 30**2 == pytest.approx(AREAS[shape], abs=0.002)
    assert np.allclose(points.mean(axis=0), (50, 40), atol=1e-3)


@pytest.mark.parametrize('colour', COLOURS)
def test_objects_have_their_colour(colour):
    thing = SceneObject('large', colour, 'square', x=64.0, y=64.0, extent=40.0, angle=0.0)
    image, (mask,) = draw(np.random.default_rng(0), Scene(128, 140, (thing,)))
    assert image.shape == (140, 128, 3) and image.dtype == np.uint8
    assert mask.shape == (280, 256) and set(np.unique(mask)) == {0, 1}
    mean = image[56:72, 56:72].mean(axis=(0, 1))
    nearest = min(RGB, key=lambda name: np.abs(mean - RGB[name]).sum())
    assert nearest == colour
    assert np.ptp(image[0]) < 150  # the background is muted


def test_front_object_hides_the_one_behind():
    back = SceneObject('large', 'red', 'square', x=50.0, y=50.0, extent=40.0, angle=0.0)
    front = SceneObject('small', 'blue', 'square', x=68.0, y=50.0, extent=20.0, angle=0.0)
    scene = Scene(128, 128, (back, front))
    _, masks = draw(np.random.default_rng(0), scene)
    assert not np.any(masks[0] & masks[1])
    # Sides are 36.2 and 18.1: the front one covers from x = 58.95 to the back's edge at 68.1.
    shares = visible_shares(scene, masks)
    assert shares[0] == pytest.approx(1 - 18.1 * 9.15 / 36.2**2, abs=0.04)
    assert shares[1] == 1.0


def blob(hole: bool = False) -> np.ndarray:
    mask = np.zeros((80, 100), np.uint8)
    mask[20:60, 10:70] = 1
    if hole:
        mask[30:50, 30:50] = 0
    return mask


def test_segmentation_of_a_rectangle_in_every_form():
    rng = np.random.default_rng(0)
    expected = np.zeros((40, 50), np.uint8)
    expected[10:30, 5:35] = 1
    forms = set()
    for _ in range(200):
        found = segmentation(rng, blob())
        written = found['segmentation']
        forms.add(type(written[0]).__name__)
        assert np.array_equal(decode(written, 40, 50), expected)
        assert found['bbox'] == [5.0, 10.0, 30.0, 20.0]
        assert found['area'] == 600.0 and found['iscrowd'] == 0
    assert forms == {'list', 'dict'}


def test_mask_with_a_hole_keeps_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        written = segmentation(rng, blob(hole=True))['segmentation']
        assert type(written) is list and type(written[0]['counts']) is str
        assert decode(written, 40, 50).sum() == 600 - 100
