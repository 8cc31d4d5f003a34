# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Neighbouring items with the same image: it is read and resized once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import Resize

from magnet_mm.datasets.transforms import LoadReferringImage

# What loading and resizing write about the image.
_IMAGE_KEYS = ('img', 'img_shape', 'ori_shape', 'scale', 'scale_factor', 'keep_ratio')


class ImageSharingPipeline:
    """Runs the transforms of a pipeline and remembers the last image.

    Only ``LoadReferringImage`` and mmcv's ``Resize`` with a fixed scale are shared, and only
    while nothing else but :attr:`independent` transforms came before them: they depend on the file
    alone. Every other transform runs for every item.

    Args:
        transforms: the transforms, in order.
        independent: types of transforms that leave the image as it is.
    """

    def __init__(self, transforms: Sequence[Any], independent: tuple[type, ...] = ()) -> None:
        self.transforms = list(transforms)
        self._shared = set()
        for position, transform in enumerate(self.transforms):
            if type(transform) is LoadReferringImage or (
                type(transform) is Resize and transform.scale is not None
            ):
                self._shared.add(position)
            elif not isinstance(transform, independent):
                break
        self._path: str | None = None
        self._kept: dict[int, dict] = {}

    def __call__(self, results: dict) -> Any:
        """Return the pipeline's result; ``results`` must have ``img_path``."""
        path = results.get('img_path')
        if path is None or path != self._path:
            self._path, self._kept = path, {}
        for position, transform in enumerate(self.transforms):
            if position in self._kept:
                results = self._again(results, transform, self._kept[position])
            else:
                results = transform(results)
                if results is not None and position in self._shared:
                    self._kept[position] = _image_of(results)
            if results is None:
                return None
        return results

    @staticmethod
    def _again(results: dict, transform: Any, kept: dict) -> dict:
        if isinstance(transform, Resize):
            results.pop('img')  # the mask is this item's own
            results = transform(results)
        results.update(_image_of(kept))
        return results


def _image_of(results: dict) -> dict:
    """Return the image's entries; arrays are copied, as later transforms may write into them."""
    return {
        key: results[key].copy() if isinstance(results[key], np.ndarray) else results[key]
        for key in _IMAGE_KEYS
        if key in results
    }
