# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Says what to change where the images of a batch have different sizes."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from magnet_mm.errors import ConfigError


@HOOKS.register_module()
class ImageSizesHook(Hook):
    """Checks that the images of an evaluated batch can be stacked, which mmseg only asserts.

    ``keep_ratio=True`` gives every image its own size. Training pads to the size of the data
    preprocessor; evaluation does not.

    Raises:
        ConfigError: Before the first batch of unequal images is evaluated.
    """

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check a batch of the validation."""
        check_sizes(data_batch, 'val_dataloader')

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check a batch of the test."""
        check_sizes(data_batch, 'test_dataloader')


def check_sizes(data_batch: Any, dataloader: str) -> None:
    """Raise :class:`ConfigError` where ``inputs``, a list of ``[C, H, W]``, differ in size."""
    inputs = data_batch.get('inputs') if isinstance(data_batch, dict) else None
    if not isinstance(inputs, list | tuple):
        return
    images = [image for image in inputs if isinstance(image, torch.Tensor) and image.ndim == 3]
    sizes = {tuple(image.shape[1:]) for image in images}
    if len(sizes) > 1:
        listed = ', '.join(f'{height}x{width}' for height, width in sorted(sizes)[:4])
        raise ConfigError(
            f'The images of a batch of {len(images)} have different sizes ({listed}), so they make '
            f'no batch. Set {dataloader}.batch_size=1, or give all images one size in the '
            "pipeline: dict(type='Resize', ..., keep_ratio=False), or dict(type='Pad', size=...) "
            'behind a Resize that keeps the ratio.'
        )
