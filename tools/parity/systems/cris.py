# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS (docs/methods/cris.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.released.cris import CRIS
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows
from parity.inputs import SHIPPED
from parity.weights import Taps, model_with, released_state_dict

FULL = ('logits',)
TOLERANCE = dict(logits=1e-3, taps=2e-4)


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill with three gains."""
    filled = fill.fill_value(key, shape)
    if key.endswith('attnpool.positional_embedding'):  # visible
        return filled * np.float32(np.sqrt(2048.0))
    if key.startswith('neck.') and key.endswith('running_var'):
        return filled * np.float32(1 / 3)
    if key.startswith('proj.txt.'):
        return filled * np.float32(0.25)
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build CRIS with the image tower and the widths of the keys."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/cris_r50.py')).model
    blocks = re.compile(r'backbone\.visual\.layer3\.(\d+)\.conv1\.weight')
    third = max(int(found[1]) for found in map(blocks.fullmatch, keys) if found) + 1
    embed_channels = keys['backbone.text_projection'][1][1]
    visual, text = model.backbone.visual, model.backbone.text
    visual.update(depth={6: 50, 23: 101}[third], embed_channels=embed_channels, pretrained=None)
    text.update(embed_channels=embed_channels, pretrained=None)
    model.decode_head.update(norm_cfg=dict(type='BN'), dropout=0.0)
    return model_with(model, released_state_dict(keys, value), CRIS)


def inputs(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Make images, ids and mask: blocks of 16 pixels and noise, ids of CLIP's vocabulary.

    Raises:
        ValueError: when the ids are not the stored ones.
    """
    seed, shape = case.number('image_seed'), tuple(case['image_shape'])
    batch, channels, height, width = shape
    coarse = fill.make_image(seed, (batch, channels, height // 16, width // 16))
    noise = fill.make_image(seed + 1, shape)
    images = np.float32(2) * coarse.repeat(16, 2).repeat(16, 3) + np.float32(0.5) * noise
    stored = case['input_ids']
    generator = np.random.RandomState(case.number('text_seed'))
    ids = np.zeros_like(stored)
    for row, length in zip(ids, case['lengths'].tolist(), strict=True):
        row[0], row[length - 1] = 49406, 49407
        row[1 : length - 1] = generator.randint(1, 49406, size=length - 2)
    if not (ids == stored).all():
        raise ValueError('The generated sentences are not the stored ones.')
    ids = torch.from_numpy(ids)
    return torch.from_numpy(images), ids, (ids != 0).long()


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, ids, mask = inputs(case)
    visual, text, head = model.backbone.visual, model.backbone.text, model.decode_head
    neck = head.neck
    with Taps() as taps:
        taps.keep('stem', visual.pool)
        for index in range(1, 5):
            taps.keep(f'layer{index}', getattr(visual, f'layer{index}'))
        taps.keep('attnpool_connect', visual.attnpool.connect)
        for index in (0, 5, 11):
            taps.keep(f'text_block{index}', text.layers[index], _sequence_first)
        for name, module in (
            ('txt_proj', neck.sentence),
            ('f1_v_proj', neck.coarse),
            ('norm_layer', neck.product_norm),
            ('f2_v_proj', neck.middle),
            ('f2_cat', neck.join_middle),
            ('f3_v_proj', neck.fine),
            ('f3_cat', neck.join_fine),
            ('f4_proj3', neck.refine[0]),
            ('f4_proj4', neck.refine[1]),
            ('f4_proj5', neck.refine[2]),
            ('aggr', neck.join),
            ('coordconv', neck.coordinates),
        ):
            pick = F.relu if name == 'norm_layer' else (lambda output: output)
            taps.keep(f'neck_{name}', module, pick)
        for index, layer in enumerate(head.decoder.layers):
            taps.keep(f'decoder{index}_self', layer.self_attn_norm, _sequence_first)
            taps.keep(f'decoder{index}_cross', layer.cross_attn_norm, _sequence_first)
            taps.keep(f'decoder{index}_ffn', layer.ffn, _sequence_first)
            taps.keep(f'decoder_layer{index}', layer, _sequence_first)
        taps.keep('decoder_out', head.decoder, lambda output: output.flatten(2))
        taps.keep('proj_vis', head.projector.project)
        taps.keep('proj_kernel', head.projector.kernel)
        features = model.extract_feat(images, ids, mask)
        logits = head(features).masks
    return dict(
        taps.outputs,
        v3=features.visual[-3],
        v4=features.visual[-2],
        v5=features.visual[-1],
        words=features.words,
        state=features.sentence('own'),
        logits=logits,
    )


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare loss and gradients in float64, with frozen and with batch statistics."""
    rows = []
    images, ids, mask = inputs(golden.whole)
    masks = torch.from_numpy(golden.whole['mask'])[:, None].double()
    for name in ('frozen_bn', 'batch_bn'):
        stored = Case(golden.arrays, f'{name}/')
        model = build_model().double()
        if name == 'batch_bn':
            for module in model.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.train()
        features = model.extract_feat(images.double(), ids, mask)
        logits = model.decode_head(features).masks
        small = F.interpolate(masks, logits.shape[2:], mode='nearest')
        loss = F.binary_cross_entropy_with_logits(logits, small)
        loss.backward()
        rows.append(Row(name, 'loss', relative(loss.item(), stored['loss_float64']), 1e-5))
        limit = 1e-3 if name == 'frozen_bn' else 1e-2
        rows.append(Row(name, 'pred', stored.difference('pred', logits.detach().numpy()), limit))
        rows += gradient_rows(model, CRIS, keys, stored, name)
    return rows


def _sequence_first(tensor: Tensor) -> Tensor:
    return tensor.transpose(0, 1)
