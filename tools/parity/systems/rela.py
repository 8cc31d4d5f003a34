# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReLA with a Swin backbone (docs/methods/rela.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from magnet_mm.models.decode_heads.rela_head import minimap_target
from magnet_mm.released.rela import RELA
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows
from parity.inputs import SHIPPED, bert_inputs, swin_sizes
from parity.weights import Taps, model_with, released_state_dict

FULL = ('pred_masks', 'pred_logits', 'nt_label')
TOLERANCE = dict(logits=1e-3, taps=2e-4)


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what keeps words and regions apart."""
    filled = fill.fill_value(key, shape)
    if key.endswith(('query_feat.weight', 'query_embed.weight')):  # unit variance
        return filled * np.float32(16)
    if key.startswith('text_encoder.') and '.attention.output.dense.' in key:
        return filled * np.float32(1 / 8)
    if key.endswith('f_key.0.weight'):  # word attention not uniform
        return filled * np.float32(2)
    if '.mask_embed.layers.2.' in key:  # mask logits of order 1
        return filled * np.float32(1 / 256)
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build ReLA at the sizes of the keys."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/rela_swinb.py')).model
    if config is None:
        model.backbone.visual.update(swin_sizes(keys, 'backbone'), drop_path_rate=0.0)
    model.backbone.text.pretrained = None
    return model_with(model, released_state_dict(keys, value), RELA)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case; the image is padded with zeros to multiples of 32, as the released code does."""
    images, ids, mask = bert_inputs(case)
    images = F.pad(images, (0, -images.shape[3] % 32, 0, -images.shape[2] % 32))
    encoder, head = model.backbone, model.decode_head
    predictions: list[Any] = []
    normed: list[Tensor] = []
    with Taps() as taps:
        for index, fusion in enumerate(encoder.fusion):
            taps.keep(f'stage{index}_pwam', fusion.pwam)
            if fusion.gate is not None:
                taps.keep(f'stage{index}_gate', fusion.gate)
                downsample = encoder.visual.stages[index].downsample
                taps.keep(f'stage{index}_down', downsample, lambda output: output[0])
        decoder = head.pixel_decoder
        for index, conv in enumerate(decoder.input_convs):
            taps.keep(f'pd_input{index}', conv)
        for index, layer in enumerate(decoder.encoder.layers):
            taps.keep(f'pd_enc{index}', layer)
        taps.keep('pd_adapter', decoder.lateral_convs[0])
        taps.keep('pd_fpn', decoder.output_convs[0])
        for index, layer in enumerate(head.layers):
            for place, name in enumerate(('ria', 'rla', 'ffn')):
                taps.keep(f'dec{index}_{name}', layer.norms[place], _sequence_first)
        taps.keep('lang_proj', head.language.project)
        taps.keep('lang_att', head.language.norm, _sequence_first)
        handles = [
            head.predictions.register_forward_hook(lambda *call: predictions.append(call[2])),
            head.predictions.norm.register_forward_hook(lambda *call: normed.append(call[2])),
        ]
        features = model.extract_feat(images, ids, mask)
        last = head.decode(features)
        for handle in handles:
            handle.remove()
    ours = dict(taps.outputs)
    ours['bert_last_hidden'] = features.words
    for index, feature in enumerate(features.visual):
        ours[f'res{index + 2}'] = feature
    ours['mask_features'] = features.pixel_embedding
    shapes = [feature.shape[2:] for feature in features.visual[:0:-1]]
    for index, said in enumerate(predictions):
        masks = torch.einsum('bqc,bchw->bqhw', said.embedding, features.pixel_embedding)
        ours[f'head{index}_all_masks'] = masks
        ours[f'head{index}_minimap'] = said.minimap
        level = F.interpolate(masks, shapes[index % 3], mode='bilinear', align_corners=False)
        share = (level.flatten(2) < 0).float().mean((1, 2))
        ours[f'head{index}_masked_fraction'] = share.repeat_interleave(head.num_heads)
    ours.update(
        all_masks=masks,
        region_features=_sequence_first(normed[-1]),
        region_embed=last.embedding,
        ref_seg=F.interpolate(
            last.masks, images.shape[2:], mode='bilinear', align_corners=False
        ).sigmoid(),
        pred_masks=last.masks,
        pred_logits=last.minimap,
        nt_label=last.no_target,
    )
    return ours


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare loss terms, outputs and gradients; in float64, dropout off."""
    stored = golden.whole
    model = build_model().double().requires_grad_(True)
    images, ids, mask = bert_inputs(stored)
    masks = torch.from_numpy(stored['mask'])[:, None]
    features = model.extract_feat(images.double(), ids, mask)
    samples = []
    for one in masks:
        sample = SegDataSample(gt_sem_seg=PixelData(data=one.to(torch.uint8)))
        samples.append(sample)
    losses = model.decode_head.loss(features, samples)
    total = sum(losses.values())
    total.backward()
    weights = dict(zip(losses, model.decode_head.loss_weights, strict=True))
    rows = [Row('training', 'loss', relative(total.item(), stored['loss_float64']), 1e-5)]
    for name, loss in losses.items():
        term = name.removeprefix('loss_')
        unweighted = (loss / weights[name]).item()
        rows.append(
            Row('training', f'term/{term}', relative(unweighted, stored[f'term/{term}']), 1e-5)
        )
    target = minimap_target(masks.float(), model.decode_head.grid)
    rows.append(
        Row(
            'training', 'minimap_target', np.abs(target.numpy() - stored['minimap_target']).max(), 0
        )
    )
    return rows + gradient_rows(model, RELA, keys, stored)


def _sequence_first(tensor: Tensor) -> Tensor:
    return tensor.transpose(0, 1)
