# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Items with the same image: read and resized once, with the same arrays."""

import numpy as np
import pytest
from mmcv.transforms import BaseTransform, Resize
from PIL import Image

from magnet_mm.datasets.image_sharing import ImageSharingPipeline
from magnet_mm.datasets.transforms import LoadReferringMask
from magnet_mm.datasets.transforms.loading import LoadReferringImage


class PaintMask(BaseTransform):
    """A mask that differs between items."""

    def transform(self, results):
        results['gt_seg_map'] = np.full(results['img'].shape[:2], results['value'], np.uint8)
        results['seg_fields'] = ['gt_seg_map']
        return results


class Darken(BaseTransform):
    """Writes into the image."""

    def transform(self, results):
        results['img'] //= 2
        return results


@pytest.fixture
def paths(tmp_path):
    generator = np.random.default_rng(0)
    found = []
    for name in 'ab':
        path = tmp_path / f'{name}.png'
        Image.fromarray(generator.integers(0, 255, (12, 10, 3), dtype=np.uint8)).save(path)
        found.append(str(path))
    return found


def run(transforms, paths, share):
    pipeline = ImageSharingPipeline(transforms, (PaintMask,)) if share else None
    results = []
    for value, path in enumerate([paths[0], paths[0], paths[1], paths[0], paths[0]]):
        item = dict(img_path=path, value=value, seg_fields=[])
        if share:
            item = pipeline(item)
        else:
            for transform in transforms:
                item = transform(item)
        results.append(item)
    return results


@pytest.mark.parametrize('tail', [[], [Darken()]], ids=['plain', 'written into'])
def test_the_same_results(paths, tail):
    transforms = [LoadReferringImage(), PaintMask(), Resize(scale=(6, 8), backend='pillow'), *tail]
    for ours, plain in zip(
        run(transforms, paths, True), run(transforms, paths, False), strict=True
    ):
        assert ours.keys() == plain.keys()
        for key in plain:
            np.testing.assert_array_equal(ours[key], plain[key], err_msg=key)


def test_every_image_is_read_once_in_a_row(paths, monkeypatch):
    counts = dict(load=0, resize=0)
    load, resize = LoadReferringImage.transform, Resize._resize_img

    def counted_load(self, results):
        counts['load'] += 1
        return load(self, results)

    def counted_resize(self, results):
        counts['resize'] += results.get('img') is not None
        return resize(self, results)

    monkeypatch.setattr(LoadReferringImage, 'transform', counted_load)
    monkeypatch.setattr(Resize, '_resize_img', counted_resize)
    run([LoadReferringImage(), PaintMask(), Resize(scale=(6, 8))], paths, True)
    assert counts == dict(load=3, resize=3)  # a, b, a: only the last image is remembered


def test_after_an_unknown_transform_nothing_is_shared(paths):
    pipeline = ImageSharingPipeline([LoadReferringImage(), Darken(), Resize(scale=(6, 8))])
    assert pipeline._shared == {0}


def test_the_shipped_pipeline_shares_loading_and_resizing():
    transforms = [LoadReferringImage(), LoadReferringMask(), Resize(scale=(6, 8)), Darken()]
    assert ImageSharingPipeline(transforms, (LoadReferringMask,))._shared == {0, 2}
