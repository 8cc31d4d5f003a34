# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet as released, with the additive text mask (docs/methods/magnet.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.released.magnet import MAGNET
from parity import fill
from parity.golden import Case
from parity.inputs import SHIPPED, bert_inputs, swin_sizes
from parity.weights import Taps, model_with, released_state_dict

FULL = ('pred_masks', 'pred_logits')
TOLERANCE = dict(logits=2e-4, taps=2e-4)
NOT_COMPUTED = {
    'pred_logits': 'the class head has no effect with one query',
    'i4_down': "the last stage's gated output, which nothing reads",
}


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what keeps words and foreground apart."""
    if key == 'classifier.predictor.mask_embed.layers.2.weight':  # another draw
        return fill.fill_value(f'83:{key}', shape)
    filled = fill.fill_value(key, shape)
    if key.startswith('language_model.') and '.attention.output.dense.' in key:
        return filled * np.float32(1 / 8)
    if key.startswith('image_model.') and key.endswith('f_key.0.weight'):
        return filled * np.float32(2)
    if key.startswith('language_model.pwams.') and key.endswith('f_query.0.weight'):
        return filled * np.float32(8)
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build MagNet at the sizes of the keys."""
    shipped = SHIPPED / 'magnet_swinb_refcoco_released.py'
    model = Config.fromfile(str(config or shipped)).model
    model.backbone.visual.update(swin_sizes(keys, 'image_model'), drop_path_rate=0.0)
    model.backbone.text.update(pretrained=None)
    return model_with(model, released_state_dict(keys, value), MAGNET)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, ids, mask = bert_inputs(case)
    encoder = model.backbone
    with Taps() as taps:
        for index, fusion in enumerate(encoder.fusion):
            stage = encoder.visual.stages[index]
            taps.keep(f'i{index + 1}_blocks', stage.blocks[-1])
            if index < 3:
                taps.keep(f'i{index + 1}_down', stage.downsample, lambda output: output[0])
            taps.keep(f'l{index + 1}_before', encoder.text.encoder.layer[3 * index + 2])
            taps.keep(f'l{index + 1}', fusion, lambda output: output.words)
        taps.keep('pixel', model.decode_head.pixel_decoder)
        features = model.extract_feat(images, ids, mask)
        masks = model.decode_head.decode(features)
    ours = taps.outputs
    ours['mask_features'], memories = ours.pop('pixel')
    ours.update({f'pixel_level{index}': memory for index, memory in enumerate(memories)})
    ours.update({f'i{index + 1}_residual': map_ for index, map_ in enumerate(features.visual)})
    ours.update({f'aux{index}_pred_masks': one for index, one in enumerate(masks[:-1])})
    ours['pred_masks'] = model.predict_logits(images, ids, mask)
    return ours
