# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CrossVLT with a Swin backbone (docs/methods/crossvlt.md)."""

from __future__ import annotations

import re
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

from magnet_mm.released.crossvlt import CROSSVLT
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows
from parity.inputs import SHIPPED, bert_inputs, swin_sizes
from parity.weights import Taps, model_with, released_state_dict

FULL = ('logits', 'prediction')
TOLERANCE = dict(logits=1e-3, taps=2e-4, prediction=0)
TOKENS = 21


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what keeps words apart and attention uneven."""
    filled = fill.fill_value(key, shape)
    if key == 'temp':  # temperatures near 1
        return np.float32(1) + np.float32(2) * filled
    if key.startswith('lang_stage') and '.attention.output.dense.' in key:
        return filled * np.float32(1 / 8)
    if '.crossattention.output.dense.' in key:
        return filled * np.float32(1 / 2)
    if '.crossattention.self.query.weight' in key or key.endswith('.l_q.weight'):
        return filled * np.float32(2)
    if key == 'classifier.conv1_1.weight':  # logits of order 1
        return filled * np.float32(8)
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build CrossVLT at the sizes of the keys; plain batch norm, no stochastic depth."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/crossvlt_swinb.py')).model
    if config is None:
        # The stages are numbered before ``layers`` here, behind it in Swin's own names.
        plain = {
            re.sub(
                r'backbone\.\d\.patch_embed',
                'backbone.patch_embed',
                re.sub(r'backbone\.(\d)\.layers\.blocks', r'backbone.layers.\1.blocks', key),
            ): entry
            for key, entry in keys.items()
        }
        model.backbone.visual.update(swin_sizes(plain, 'backbone'), drop_path_rate=0.0)
    model.backbone.text.pretrained = None
    model.decode_head.norm_cfg.type = 'BN'
    return model_with(model, released_state_dict(keys, value), CROSSVLT)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, ids, mask = bert_inputs(case, TOKENS)
    encoder, (alignment,) = model.backbone, model.auxiliary_head
    visual, text = encoder.visual, encoder.text
    handed_on: dict[str, Tensor] = {}
    with Taps() as taps:
        taps.keep('bert_embeddings', text.embeddings)
        taps.keep('patch_embed', visual.patch_embed, _as_map)
        for stage in range(1, 5):
            fusion = encoder.fusion[stage - 1]
            last_layer = sum(text.groups[:stage]) - 1
            taps.keep(f'l{stage}', text.encoder.layer[last_layer], _first)
            taps.keep(f'v{stage}_fused', fusion.inside)
            if stage == 4:
                break
            taps.keep(f'v{stage}_gate', fusion.inside_gate)
            taps.keep(f'v{stage}_down', visual.stages[stage - 1].downsample, _first)
            taps.keep(f'v{stage}_fused2', fusion.behind)
            taps.keep(f'v{stage}_gate2', fusion.behind_gate)
            taps.keep(f'l{stage + 1}_cross', fusion.word_update.attention_output)
            taps.keep(f'l{stage + 1}_cross_ffn', fusion.word_update)
            visual.stages[stage].blocks[0].register_forward_pre_hook(
                lambda _, arguments, name=f'v{stage}_next': handed_on.update({name: arguments[0]})
            )
        for index, name in enumerate(('dec2_4', 'dec2_3', 'dec2_2')):
            taps.keep(name, model.decode_head.levels[index])
        features = model.extract_feat(images, ids, mask)
        logits = model.decode_head(features).masks
    ours = dict(taps.outputs, **handed_on, logits=logits)
    for index, extra in enumerate(features.extras):
        pixels = extra['pixels'].flatten(1, 2)
        ours[f'v{index + 1}_blocks'] = pixels
        ours[f'v{index + 1}_proj'] = alignment.pixel_projects[index](pixels)
        ours[f'l{index + 1}_cls'] = alignment.sentence_projects[index](extra['sentence'])
        ours[f'v{index + 1}_out'] = features.visual[index]
    ours['v4_gate'] = _gate_without_effect(ours['v4_fused'])
    upsampled = F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=True)
    return dict(ours, upsampled_logits=upsampled, prediction=upsampled.argmax(1))


def _gate_without_effect(fused: Tensor) -> Tensor:
    """Compute the released gate of the last stage, which feeds nothing and which we do not have."""
    shape = (fused.shape[-1], fused.shape[-1])
    hidden, out = (
        torch.from_numpy(value(f'backbone.3.layers.linear1.{place}.weight', shape))
        for place in (0, 2)
    )
    return F.linear(F.linear(fused, hidden).relu(), out).tanh()


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare loss terms, similarities, buffers and gradients: float64, batch statistics."""
    stored = golden.whole
    model = build_model().double().requires_grad_(True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    images, ids, mask = bert_inputs(stored, TOKENS)
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(one)[None]))
        for one in stored['mask']
    ]
    features = model.extract_feat(images.double(), ids, mask)
    (alignment,) = model.auxiliary_head
    losses = model.decode_head.loss(features, samples)
    (weighted,) = (loss for name, loss in losses.items() if 'loss' in name)  # beside an accuracy
    terms = dict(mask_ce=weighted / model.decode_head.loss_decode.loss_weight)
    for name, loss in alignment.loss(features, samples).items():
        terms[name.removeprefix('loss_')] = loss
    total = weighted + sum(loss for name, loss in terms.items() if name != 'mask_ce')
    total.backward()
    rows = [Row('training', 'loss', relative(total.item(), stored['loss_float64']), 1e-5)]
    for name, loss in terms.items():
        rows.append(
            Row('training', f'term/{name}', relative(loss.item(), stored[f'term/{name}']), 1e-5)
        )
    for number, similarity in enumerate(alignment.similarities(features), 1):
        difference = stored.difference(f'sim{number}', similarity.detach().numpy())
        rows.append(Row('training', f'sim{number}', difference, 2e-4))
    with torch.no_grad():
        logits = model.decode_head.cls_seg(features.pixel_embedding)
    rows.append(Row('training', 'logits', stored.difference('logits', logits.numpy()), 1e-3))
    state = model.state_dict()
    for name in ('classifier.bn1_4.running_mean', 'classifier.bn2_2.running_var'):
        ours = state[CROSSVLT.translate(name)].numpy()
        rows.append(Row('training', f'after/{name}', relative(ours, stored[f'after/{name}']), 1e-4))
    return rows + gradient_rows(model, CROSSVLT, keys, stored)


def _first(output: Any) -> Tensor:
    """Tokens of a downsampling, or words of a layer of older transformers."""
    return output if isinstance(output, Tensor) else output[0]


def _as_map(output: Any) -> Tensor:
    tokens, size = output
    return tokens.transpose(1, 2).unflatten(2, size)
