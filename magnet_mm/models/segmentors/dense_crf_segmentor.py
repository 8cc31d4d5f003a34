# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A segmentor whose predictions a dense CRF refines by the colours of the image."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.geometry import without_padding
from magnet_mm.models.segmentors.referring_segmentor import ReferringSegmentor

STEPS = 5  # [C] CMPC, LSCM
SMOOTHNESS = dict(sxy=3, compat=3)  # pixels, weight [C]
APPEARANCE = dict(sxy=20, srgb=3, compat=10)  # pixels, levels of 0..255, weight [C]


@MODELS.register_module()
class DenseCRFSegmentor(ReferringSegmentor):
    """:class:`ReferringSegmentor` with a dense CRF behind its test; off unless a config names it.

    ``--cfg-options model.type=DenseCRFSegmentor``; weights and training are the same. The logits at
    input resolution become the logarithm of the CRF's odds, so that metric, inferencer and pictures
    see its masks. The head's own logits stay: the released rules ``vlt`` and ``cris``, which resize
    these, do not see the CRF.

    Raises:
        ConfigError: pydensecrf is not installed.

    Source: released code of CMPC and LSCM (docs/methods/cmpc.md).
    """

    def __init__(self, *args, **kwargs) -> None:
        _pydensecrf()  # rather now than at the first test
        super().__init__(*args, **kwargs)

    def predict(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
        share_images: bool = True,
    ) -> list[SegDataSample]:
        """Predict, and refine ``seg_logits`` and ``pred_sem_seg``."""
        samples = super().predict(inputs, data_samples, share_images)
        rule = self.foreground
        for image, sample in zip(self._pixels(inputs), samples, strict=True):
            logits = sample.seg_logits.data.float()
            if image.shape[-2:] != logits.shape[-2:]:
                image = without_padding(image, sample.metainfo)
            odds = self.refine(rule.foreground(logits), image).to(logits.device)
            # background 0 where there are two channels: their difference is what counts
            background = torch.zeros_like(odds)[None].repeat(rule.channels - 1, 1, 1)
            sample.seg_logits = PixelData(data=torch.cat([background, odds[None]]))
            absent = 'pred_no_target' in sample and bool(sample.pred_no_target)
            mask = rule.mask(odds)[None] & (not absent)
            sample.pred_sem_seg = PixelData(data=mask.byte())
        return samples

    def refine(self, foreground: Tensor, image: Tensor) -> Tensor:
        """Return the logarithm of the CRF's odds, float32 ``[H, W]`` on the CPU.

        Args:
            foreground: logits ``[H, W]``.
            image: RGB uint8 ``[3, H, W]``.
        """
        height, width = foreground.shape
        energy = -F.logsigmoid(torch.stack([-foreground, foreground])).flatten(1)
        field = _pydensecrf().DenseCRF2D(width, height, 2)
        field.setUnaryEnergy(np.ascontiguousarray(energy.cpu().numpy(), dtype=np.float32))
        field.addPairwiseGaussian(**SMOOTHNESS)
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
        field.addPairwiseBilateral(**APPEARANCE, rgbim=pixels)
        share = np.array(field.inference(STEPS), dtype=np.float32).reshape(2, height, width)
        share = torch.from_numpy(share).clamp(min=torch.finfo(torch.float32).tiny)
        return share[1].log() - share[0].log()

    def _pixels(self, inputs: Tensor) -> Tensor:
        """Return normalised inputs ``[B, 3, H, W]`` as RGB uint8."""
        preprocessor = self.data_preprocessor
        pixels = inputs * preprocessor.std + preprocessor.mean
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
        return pixels if preprocessor.channel_conversion else pixels.flip(1)  # images are read BGR


def _pydensecrf() -> ModuleType:
    try:
        import pydensecrf.densecrf as library
    except ImportError as error:
        raise ConfigError(
            f'DenseCRFSegmentor needs pydensecrf, which is not usable here ({error}). Install it '
            'with a C++ compiler: pip install cython git+https://github.com/lucasb-eyer/pydensecrf'
        ) from error
    return library
