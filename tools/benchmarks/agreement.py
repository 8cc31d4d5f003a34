# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Whether a fast way to evaluate gives the same masks: batches, shared images, another type."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.runner import load_checkpoint
from torch import Tensor

from benchmarks.evaluation import Way
from benchmarks.model import Workload, build_model
from magnet_mm.deployment import load_split
from magnet_mm.deployment.formats import load_onnx
from magnet_mm.deployment.metadata import as_tuple
from magnet_mm.engine.run_setup import runtime
from magnet_mm.structures import Prediction


def measure_agreement(
    workload: Workload,
    checkpoint: str,
    items: int,
    other_dtype: torch.dtype | None = None,
    onnx: Sequence[Path] = (),
) -> dict:
    """Masks of a trained model in batches, images shared, against float32 sentence by sentence.

    Args:
        workload: ``batch`` sentences per batch; the plain way has one.
        checkpoint: the trained weights.
        items: how many of the test split, in the order of the images.
        other_dtype: also compare the weights in this type, in the same batches.
        onnx: also compare an exported file of the model, or the two of a split one.

    Returns:
        ``batched``, and ``other`` where there is another type or file: each with ``items``,
        ``pixels``, ``flipped`` (pixels that are foreground in one of both), ``flipped_share`` and
        ``mask_iou``: overall (sum of intersections over sum of unions, as in oIoU), mean and min
        over the items (1 where both are empty).

    Raises:
        CheckpointError: when the checkpoint does not exist.
    """
    cfg = workload.read()
    runtime.test_from(cfg, checkpoint)
    model = build_model(cfg, workload).eval()
    load_checkpoint(model, checkpoint, map_location='cpu', strict=True, logger='silent')
    plain = _masks(Way(cfg, model, 1, items, share=False))
    result = dict(config=workload.config, batch=workload.batch)
    result['batched'] = compare(plain, _masks(Way(cfg, model, workload.batch, items, share=True)))
    if other_dtype is not None:
        other = copy.deepcopy(model).to(other_dtype)
        other.data_preprocessor = model.data_preprocessor  # images are normalised in float32
        masks = _masks(Way(cfg, other, workload.batch, items, share=True))
        name = str(other_dtype).removeprefix('torch.')
        result['other'] = dict(dtype=name, **compare(plain, masks))
    elif onnx:
        model.predict_tensors = _answers_of(onnx)  # what predict calls where no image is shared
        masks = _masks(Way(cfg, model, workload.batch, items, share=False))
        name = onnx[0].name.removesuffix('.onnx')
        result['other'] = dict(dtype=name, **compare(plain, masks))
    return result


def _answers_of(files: Sequence[Path]) -> Callable[..., Prediction]:
    """Return ``predict_tensors`` of exported files."""
    run = load_split(*files) if len(files) > 1 else load_onnx(files[0])

    def predict_tensors(images: Tensor, image_of: None = None, **text: Tensor) -> Prediction:
        return Prediction(*as_tuple(run(images, *text.values())))

    return predict_tensors


def compare(first: list[torch.Tensor], second: list[torch.Tensor]) -> dict:
    """Count where boolean masks of the same items differ; see :func:`measure_agreement`.

    The shorter list counts: the other one may have filled its last batch.
    """
    pairs = list(zip(first, second, strict=False))
    intersections = [int((one & other).sum()) for one, other in pairs]
    unions = [int((one | other).sum()) for one, other in pairs]
    pixels = sum(one.numel() for one, _ in pairs)
    intersection, union = sum(intersections), sum(unions)
    ious = [
        part / whole if whole else 1.0 for part, whole in zip(intersections, unions, strict=True)
    ]
    return dict(
        items=len(pairs),
        pixels=pixels,
        flipped=union - intersection,
        flipped_share=(union - intersection) / pixels,
        mask_iou=dict(
            overall=intersection / union if union else 1.0,
            mean=sum(ious) / len(ious),
            min=min(ious),
        ),
    )


def _masks(way: Way) -> list[torch.Tensor]:
    return [sample.pred_sem_seg.data.bool().cpu() for sample in way.predict()]
