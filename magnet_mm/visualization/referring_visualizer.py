# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The visualizer of the Runner: overlays with the referring expression."""

from __future__ import annotations

from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from magnet_mm.evaluation.geometry import original_foreground, to_original
from magnet_mm.visualization.panels import MAX_PANEL, draw_panels


@VISUALIZERS.register_module()
class ReferringVisualizer(SegLocalVisualizer):
    """Draws image | ground truth | prediction with the referring expression above.

    It takes the place of mmseg's ``SegLocalVisualizer`` under ``SegVisualizationHook``.

    Args:
        name: name of the instance.
        alpha: opacity of the masks (our choice).
        **kwargs: see ``SegLocalVisualizer``.
    """

    def __init__(self, name: str = 'visualizer', alpha: float = 0.35, **kwargs: Any) -> None:
        super().__init__(name=name, alpha=alpha, **kwargs)

    def draw_sample(
        self,
        image: np.ndarray,
        data_sample: SegDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        with_labels: bool = True,
        max_panel: int = MAX_PANEL,
    ) -> np.ndarray:
        """Draw one sample without handing it on; the arguments are :meth:`add_datasample`'s.

        Args:
            max_panel: longer side of a panel in pixels, at most.

        Returns:
            RGB uint8 [H', W', 3].
        """
        ground_truth = _mask(data_sample, 'gt_sem_seg') if draw_gt else None
        prediction = _mask(data_sample, 'pred_sem_seg') if draw_pred else None
        iou = _iou(ground_truth, prediction)
        if ground_truth is not None:
            ground_truth = _on_the_image(ground_truth, image, data_sample)
        if prediction is not None:
            prediction = _prediction_on_the_image(prediction, image, data_sample)
        return draw_panels(
            image,
            expression=None if data_sample is None else data_sample.get('expression'),
            ground_truth=ground_truth,
            prediction=prediction,
            iou=iou,
            alpha=self.alpha,
            titles=with_labels,
            max_panel=max_panel,
        )

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: SegDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        with_labels: bool | None = True,
    ) -> None:
        """Draw one sample and hand it to the backends, a window or a file.

        Args:
            name: identifier of the picture; ``ref_id`` and ``sent_id`` are appended for the
                backends, since several sentences share one image.
            image: RGB uint8 [H, W, 3] at any size.
            data_sample: may hold ``gt_sem_seg`` and ``pred_sem_seg`` ([1, h, w] of 0 and 1, at the
                network's input size) and the metainfo ``expression``, ``ref_id``, ``sent_id``.
                The IoU written above the prediction is that of these two masks.
            draw_gt: draw the ground truth if there is one.
            draw_pred: draw the prediction if there is one.
            show: show the picture in a window.
            wait_time: seconds the window stays; 0 waits for a key.
            out_file: write the picture there instead of to the backends.
            step: step for the backends.
            with_labels: write the expression and the panels' titles.
        """
        drawn = self.draw_sample(image, data_sample, draw_gt, draw_pred, bool(with_labels))
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(mmcv.rgb2bgr(drawn), out_file)
        else:
            self.add_image(_unique_name(name, data_sample), drawn, step)


def _mask(data_sample: SegDataSample | None, field: str) -> np.ndarray | None:
    """Return the mask [h, w] of a data sample, or None where it has none."""
    if data_sample is None or field not in data_sample:
        return None
    data = data_sample.get(field).data  # an array after SegDataSample.numpy()
    return np.asarray(data.cpu() if isinstance(data, torch.Tensor) else data).squeeze(0)


def _prediction_on_the_image(
    mask: np.ndarray, image: np.ndarray, data_sample: SegDataSample
) -> np.ndarray:
    """Make the mask that the inferencer gives, of the logits; without them resize the mask."""
    metainfo = data_sample.metainfo
    recorded = {'img_shape', 'ori_shape'} <= set(metainfo)
    if 'seg_logits' not in data_sample or not recorded or mask.shape == image.shape[:2]:
        return _on_the_image(mask, image, data_sample)
    if data_sample.get('pred_no_target', False):
        return np.zeros(metainfo['ori_shape'][:2], bool)
    logits = torch.as_tensor(data_sample.seg_logits.data)
    foreground, rule = original_foreground(logits, metainfo)
    return rule.mask(foreground).cpu().numpy()


def _on_the_image(mask: np.ndarray, image: np.ndarray, data_sample: SegDataSample) -> np.ndarray:
    """Take a mask of the network's input to where the original image shows it.

    Without a record of the geometry, or beside the network's input itself, the mask covers the
    image.
    """
    if mask.shape == image.shape[:2]:
        return mask
    if not {'img_shape', 'ori_shape'} <= set(data_sample.metainfo):
        return mask
    maps = torch.from_numpy(np.ascontiguousarray(mask, np.uint8))
    return to_original(maps, data_sample.metainfo, mode='nearest-exact').numpy()


def _iou(ground_truth: np.ndarray | None, prediction: np.ndarray | None) -> float | None:
    """IoU of two masks of one size as in ReferringMetric: 0 where both are empty."""
    if ground_truth is None or prediction is None or ground_truth.shape != prediction.shape:
        return None
    union = np.count_nonzero(ground_truth | prediction)
    return np.count_nonzero(ground_truth & prediction) / union if union else 0.0


def _unique_name(name: str, data_sample: SegDataSample | None) -> str:
    if data_sample is None or data_sample.get('ref_id') is None:
        return name
    return f'{name}_ref{data_sample.ref_id}_sent{data_sample.sent_id}'
