# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT in the ``lavt_one`` layout (docs/methods/lavt.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.released.lavt import LAVT
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows
from parity.inputs import SHIPPED, bert_inputs, swin_sizes
from parity.weights import model_with, released_state_dict

FULL = ('logits',)
TOLERANCE = dict(logits=2e-4, taps=2e-4)


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what keeps words apart."""
    filled = fill.fill_value(key, shape)
    if key.startswith('text_encoder.') and '.attention.output.dense.' in key:
        return filled * np.float32(1 / 8)
    if key.endswith('f_key.0.weight'):  # word attention varies over the image
        return filled * np.float32(2)
    if key == 'classifier.conv1_1.weight':  # logits of order 1
        return filled * np.float32(4)
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build LAVT at the sizes of the keys."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/lavt_swinb.py')).model
    model.backbone.visual.update(swin_sizes(keys, 'backbone'), drop_path_rate=0.0)
    model.backbone.text.update(pretrained=None)
    model.decode_head.update(
        norm_cfg=dict(type='BN'), channels=keys['classifier.conv1_4.weight'][1][0]
    )
    return model_with(model, released_state_dict(keys, value), LAVT)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, ids, mask = bert_inputs(case)
    features = model.extract_feat(images, ids, mask)
    logits = model.decode_head(features).masks
    upsampled = F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=True)
    ours = dict(bert_last_hidden=features.words, logits=logits, upsampled_logits=upsampled)
    ours.update({f'c{index + 1}': feature for index, feature in enumerate(features.visual)})
    return ours


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare loss, logits and gradients in float64, all in evaluation mode."""
    stored = golden.whole
    model = build_model().double().requires_grad_(True)
    images, ids, mask = bert_inputs(stored)
    target = torch.from_numpy(stored['mask']).long()
    logits = model.predict_logits(images.double(), ids, mask)
    upsampled = F.interpolate(logits, target.shape[1:], mode='bilinear', align_corners=True)
    loss = model.decode_head.loss_decode(upsampled, target)
    loss.backward()
    return [
        Row('training', 'loss', relative(loss.item(), stored['loss_float64']), 1e-6),
        Row('training', 'logits', stored.difference('logits', logits.detach().numpy()), 2e-4),
        *gradient_rows(model, LAVT, keys, stored, tolerance=1e-5),
    ]
