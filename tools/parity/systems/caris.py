# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS with any Swin (docs/methods/caris.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.released.caris import CARIS
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows
from parity.inputs import SHIPPED, bert_inputs, swin_sizes
from parity.weights import Taps, model_with, released_state_dict

FULL = ('logits', 'prediction')
TOLERANCE = dict(logits=1e-3, taps=2e-4, prediction=0.0)


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what keeps words apart."""
    if key == 'criterion.seg_criterion.weight':
        return np.array([0.9, 1.1], np.float32)
    gain = 1.0
    if '.lang_encoder.' in key and '.attention.output.dense.' in key:
        gain = 1 / 8
    elif key.endswith('lang_prompts.weight'):  # unit variance, nearly
        gain = 28
    elif key.endswith(('vis_prompts.weight', 'level_encoding.weight')):
        gain = 16
    elif '.gamma_' in key:
        gain = 4
    elif key.startswith('pixel_decoder.') and key.endswith('attn.q_proj.weight'):
        gain = 4
    elif key.endswith(('lang_self_attn.out_proj.weight', 'vis_self_attn.output_proj.weight')):
        gain = 1 / 4
    return fill.fill_value(key, shape) * np.float32(gain)


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build CARIS at the sizes of the keys."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/caris_swinb.py')).model
    if config is None:
        model.backbone.visual.update(swin_sizes(keys, r'backbone\.vis_encoder'), drop_path_rate=0.0)
        model.decode_head.update(_decoder_sizes(keys))
    model.backbone.text.pretrained = None
    return model_with(model, released_state_dict(keys, value), CARIS)


def _decoder_sizes(keys: Mapping[str, Any]) -> dict[str, int]:
    layers = {key.split('.')[2] for key in keys if key.startswith('pixel_decoder.encoder.')}
    first = 'pixel_decoder.encoder.0.'
    inner, channels = keys[f'{first}v2l_cross_attn.q_proj.weight'][1]
    return dict(
        channels=channels,
        num_layers=len(layers),
        attention_channels=inner,
        ffn_channels=keys[f'{first}lang_mlp.fc1.weight'][1][0],
        num_prompts=keys['pixel_decoder.vis_prompts.weight'][1][0],
    )


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, ids, mask = bert_inputs(case)
    visual, text, head = model.backbone.visual, model.backbone.text, model.decode_head
    decoder, layers = head.pixel_decoder, text.bert.encoder.layer
    classes: list[Tensor] = []
    with Taps() as taps:
        taps.keep('patch_embed', visual.patch_embed, lambda output: output[0])
        taps.keep('text_prompts', text.prompts)
        taps.keep('bert_embeddings', text.bert.embeddings)
        taps.keep('bert_layer0', layers[0], _hidden)
        taps.keep('bert_last', layers[-1], _hidden)
        taps.keep('lang_in', head.language)
        for index, conv in enumerate(decoder.input_convs):
            taps.keep(f'pd_input{index}', conv)
        for index, reading in enumerate(decoder.reading):
            named = dict(
                v2l=reading.words_to_pixels,
                l1=reading.word_norms[0],
                lsa=reading.words_to_words,
                l2=reading.word_norms[1],
                l3=reading.word_norms[2],
                l2v=reading.pixels_to_words,
                v1=reading.pixel_norm,
                v2=decoder.encoder.layers[index].norms[0],
                v3=decoder.encoder.layers[index].norms[1],
            )
            for name, module in named.items():
                taps.keep(f'layer{index}_{name}', module)
        taps.keep('fpn_lateral', decoder.lateral_convs[0])
        taps.keep('fpn_out', decoder.output_convs[0])
        taps.keep('mask_feature', decoder.mask_feature)
        taps.keep('classes', head.class_embed, classes.append)
        features = model.extract_feat(images, ids, mask)
        logits = head(features).masks
    upsampled = F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=True)
    ours = dict(taps.outputs, logits=logits, upsampled_logits=upsampled)
    ours['prediction'] = head.foreground.mask(head.foreground.foreground(upsampled))[:, None]
    ours['class_embed_background'], ours['class_embed_target'] = classes[0].split(1, dim=1)
    for index, feature in enumerate(features.visual):
        ours[f'c{index + 1}'] = feature.flatten(2).transpose(1, 2)
    return ours


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare loss, its two classes, logits and gradients in float64; dropout off."""
    stored = golden.whole
    model = build_model().double().requires_grad_(True)
    images, ids, mask = bert_inputs(stored)
    target = torch.from_numpy(stored['mask']).long()
    logits = model.predict_logits(images.double(), ids, mask)
    upsampled = F.interpolate(logits, target.shape[1:], mode='bilinear', align_corners=True)
    (loss_of,) = model.decode_head.loss_decode
    loss = loss_of(upsampled, target)
    loss.backward()
    rows = [
        Row('training', 'loss', relative(loss.item(), stored['loss_float64']), 1e-5),
        Row('training', 'logits', stored.difference('logits', logits.detach().numpy()), 1e-3),
    ]
    pixels = F.cross_entropy(upsampled.detach(), target, reduction='none')
    for label, name in enumerate(('background', 'foreground')):
        term = pixels[target == label].mean().item()
        difference = relative(term, stored[f'term/{name}_ce'])
        rows.append(Row('training', f'term/{name}_ce', difference, 1e-5))
    return rows + gradient_rows(model, CARIS, keys, stored)


def _hidden(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]
