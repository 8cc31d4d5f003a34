# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Ground truth and text of a batch of data samples, as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import DataError


def stack_text(data_samples: Sequence[SegDataSample] | None) -> dict[str, Tensor]:
    """Stack what the text encoder reads of a batch.

    Returns:
        ``input_ids`` and ``attention_mask``, int64 ``[B, T]``, and every ``text_*`` field of the
        samples, ``[B, ...]``, under its name.

    Raises:
        DataError: without data samples, or when a sample has no tokens.
    """
    if data_samples is None:
        raise DataError('The model needs data samples, which carry the sentences.')
    extra = [name for name in data_samples[0].keys() if name.startswith('text_')]
    return {name: _stack(data_samples, name) for name in ('input_ids', 'attention_mask', *extra)}


def stack_special_tokens(data_samples: Sequence[SegDataSample]) -> Tensor:
    """``special_tokens_mask`` of a batch, int64 ``[B, T]``: 1 where no word stands.

    Raises:
        DataError: when a sample has none.
    """
    return _stack(data_samples, 'special_tokens_mask')


def _stack(data_samples: Sequence[SegDataSample], name: str) -> Tensor:
    for sample in data_samples:
        if name not in sample:
            raise DataError(
                f'The sample of {sample.get("img_path", "an image")} has no {name}; add '
                'TokenizeExpression and PackReferringInputs to the pipeline.'
            )
    return torch.stack([sample.get(name) for sample in data_samples])


def no_targets(data_samples: Sequence[SegDataSample]) -> Tensor:
    """Whether nothing is meant, bool ``[B]``: as the samples say, else where the mask is empty."""
    return torch.stack(
        [
            torch.as_tensor(sample.no_target, device=sample.gt_sem_seg.data.device)
            if 'no_target' in sample
            else ~(sample.gt_sem_seg.data == 1).any()
            for sample in data_samples
        ]
    )


def shared_images(images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Leave out images that equal the one before them.

    Args:
        images: ``[B, 3, H, W]``.

    Returns:
        Images ``[U, 3, H, W]`` and int64 ``[B]``, which of them stands at each place of the batch;
        the batch as it is and None when no image repeats.
    """
    repeats = (images[1:] == images[:-1]).flatten(1).all(1)
    if not repeats.any():
        return images, None
    new = torch.cat([repeats.new_ones(1), ~repeats])
    return images[new], new.long().cumsum(0) - 1


def stack_masks(data_samples: Sequence[SegDataSample]) -> Tensor:
    """Ground-truth masks ``[B, 1, H, W]`` at input resolution, float32 0/1.

    Every loss of every method reads its masks here.

    Raises:
        DataError: naming the sample, when a mask holds another label than 0 and 1. On an
            accelerator, where looking would wait for the device, this is left to the pipeline.
    """
    masks = torch.stack([sample.gt_sem_seg.data for sample in data_samples])
    if masks.device.type == 'cpu' and not torch.compiler.is_compiling():
        strange = ((masks != 0) & (masks != 1)).flatten(1)
        if strange.any():
            number = int(strange.any(1).nonzero()[0, 0])
            labels = masks[number].flatten()[strange[number]].unique().tolist()
            sample = data_samples[number]
            raise DataError(
                f'The mask of ref {sample.get("ref_id")} ({sample.get("img_path")}) holds the '
                f'labels {", ".join(map(str, labels[:5]))} beside 0 (background) and 1 (the '
                'object). Make the mask binary; where the pipeline or the preprocessor pads masks, '
                'set seg_pad_val=0.'
            )
    return masks.float()


def fractional_masks(data_samples: Sequence[SegDataSample]) -> Tensor:
    """Masks ``[B, 1, H, W]`` float32 in 0..1, as a pipeline with soft edges made them (VLT).

    Where it made none (``Letterbox(soft_mask=...)``) they are those of :func:`stack_masks`.
    """
    if all('gt_soft_seg' in sample for sample in data_samples):
        return torch.stack([sample.gt_soft_seg.data for sample in data_samples]).float()
    return stack_masks(data_samples)


def nearest_masks(data_samples: Sequence[SegDataSample], shape: tuple[int, int]) -> Tensor:
    """Masks at a smaller size by nearest sampling, bool ``[B, h, w]``."""
    resized = F.interpolate(stack_masks(data_samples), shape, mode='nearest-exact')
    return resized.squeeze(1) > 0.5
