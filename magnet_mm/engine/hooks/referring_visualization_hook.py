# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pictures of the same few validation items after every validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from mmengine.dist import gather_object
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from magnet_mm.errors import ConfigError
from magnet_mm.visualization import ReferringVisualizer, contact_sheet

SHEET_NAME = 'val_samples'
_PANEL = 320  # pixels, our choice: a sheet of 8 photographs stays at a few megabytes


@HOOKS.register_module()
class ReferringVisualizationHook(SegVisualizationHook):
    """Draws a fixed set of validation items after every validation, as one contact sheet.

    The items are spread evenly over the validation set, so they are the same in every validation
    and with any number of processes. The sheet (sentence, image, ground truth, prediction and its
    IoU per item) goes to all backends of the visualizer under the name ``val_samples``:
    ``LocalVisBackend`` writes ``<work dir>/<timestamp>/vis_data/vis_image/val_samples_<iter>.png``,
    TensorBoard and Weights & Biases show it with a slider over the training.

    Everything else is mmseg's ``SegVisualizationHook``: with ``draw=True`` (``--show`` and
    ``--show-dir`` of ``tools/test.py``) every ``interval``-th batch is drawn, one picture per item.

    Args:
        val_samples: Number of items to draw after a validation; 0 draws none. 8 is our choice.
        **kwargs: Arguments of ``SegVisualizationHook``.

    Raises:
        ConfigError: If ``val_samples`` is negative; before the first validation, if the visualizer
            is no ``ReferringVisualizer``.
    """

    def __init__(self, val_samples: int = 8, **kwargs: Any) -> None:
        """See the class."""
        if val_samples < 0:
            raise ConfigError(
                f'ReferringVisualizationHook: val_samples={val_samples}; use 0 for no pictures.'
            )
        with warnings.catch_warnings():
            # "The draw is False ...": here that concerns tests alone
            warnings.filterwarnings('ignore', message='The draw is False')
            super().__init__(**kwargs)
        self.val_samples = val_samples
        self._chosen: frozenset[int] = frozenset()
        self._kept: list[SegDataSample] = []

    def before_val_epoch(self, runner: Any) -> None:
        """Choose the items: the first, the last and equal steps between them."""
        self._kept = []
        if not self.val_samples:
            return
        if not isinstance(self._visualizer, ReferringVisualizer):
            raise ConfigError(
                'ReferringVisualizationHook draws through a ReferringVisualizer, but the config '
                f'has a {type(self._visualizer).__name__}. Set visualizer.type='
                "'ReferringVisualizer', or default_hooks.visualization.val_samples=0."
            )
        count = len(runner.val_dataloader.dataset)
        positions = np.linspace(0, count - 1, min(self.val_samples, count)).round()
        self._chosen = frozenset(positions.astype(int).tolist())

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] = (),
    ) -> None:
        """Keep the chosen items of the batch."""
        super().after_val_iter(runner, batch_idx, data_batch, outputs)
        if self.val_samples:
            self._kept += [_masks_only(s) for s in outputs if s.get('sample_idx') in self._chosen]

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Gather the chosen items of all processes and draw them on the main one."""
        if not self.val_samples:
            return
        gathered = gather_object(self._kept)
        self._kept = []
        # the sampler's padding repeats items; the first of each is drawn
        samples = {s.sample_idx: s for part in reversed(gathered or []) for s in reversed(part)}
        pictures = [self._draw(samples[index]) for index in sorted(samples)]
        if pictures:
            self._visualizer.add_image(SHEET_NAME, contact_sheet(pictures), step=runner.iter)

    def _draw(self, sample: SegDataSample) -> np.ndarray:
        content = fileio.get(sample.img_path, backend_args=self.backend_args)
        # no EXIF rotation, as in the pipelines of the configs: the masks are not rotated either
        image = mmcv.imfrombytes(
            content, flag='color_ignore_orientation', channel_order='rgb', backend='pillow'
        )
        return self._visualizer.draw_sample(image, sample, max_panel=_PANEL)


def _masks_only(sample: SegDataSample) -> SegDataSample:
    """Return the sample's metainfo and masks on the CPU, without its logits."""
    kept = SegDataSample(metainfo=sample.metainfo)
    for field in ('gt_sem_seg', 'pred_sem_seg'):
        if field in sample:
            setattr(kept, field, sample.get(field).cpu())
    return kept
