# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Where an image lies in its box, and what fills the rest."""

import numpy as np
import pytest

from magnet_mm.datasets.transforms import Letterbox
from magnet_mm.errors import ConfigError


@pytest.mark.parametrize(
    ('shape', 'arguments', 'region'),
    [
        ((480, 640), dict(size=(416, 416)), (52, 0, 312, 416)),
        ((427, 640), dict(size=(416, 416), rounding='floor'), (69, 0, 277, 416)),  # 277.55
        ((427, 640), dict(size=(416, 416)), (69, 0, 278, 416)),
        ((640, 480), dict(size=(320, 320), centred=False), (0, 0, 320, 240)),
        ((10, 10), dict(size=(30, 20)), (0, 5, 20, 20)),
        ((1, 1000), dict(size=(100, 100), rounding='floor'), (49, 0, 1, 100)),
    ],
)
def test_region_by_hand(shape, arguments, region):
    assert Letterbox(**arguments).region(*shape) == region


def test_image_mask_and_fill():
    image = np.full((20, 40, 3), 200, np.uint8)
    mask = np.ones((20, 40), np.uint8)
    results = Letterbox((40, 40), fill=(1, 2, 3))(dict(img=image, gt_seg_map=mask))
    assert results['img'].dtype == np.uint8
    assert (results['img'][10:30] == 200).all()
    assert (results['img'][:10] == (1, 2, 3)).all() and (results['img'][30:] == (1, 2, 3)).all()
    assert results['gt_seg_map'].sum() == 800 and results['gt_seg_map'][10:30].all()
    assert results['letterbox'] == (10, 0, 20, 40) and results['scale_factor'] == (1.0, 1.0)


def test_a_fraction_as_fill_makes_the_image_float():
    results = Letterbox((8, 8), fill=127.5)(dict(img=np.zeros((4, 8, 3), np.uint8)))
    assert results['img'].dtype == np.float32
    assert (results['img'][0] == 127.5).all() and (results['img'][2:6] == 0).all()


@pytest.mark.parametrize('bad', [dict(size=(0, 4)), dict(size=(4, 4), rounding='ceil')])
def test_boxes_that_are_none(bad):
    with pytest.raises(ConfigError):
        Letterbox(**bad)
