# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN with any ResNet of bottlenecks (docs/methods/efn.md)."""

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
from torch.nn.modules.batchnorm import _BatchNorm

from magnet_mm.models.layers.body_edge import edge_band
from magnet_mm.released.efn import EFN
from parity import fill
from parity.compare import Row, relative
from parity.golden import Case, Golden
from parity.gradients import gradient_rows, released_gradient
from parity.inputs import SHIPPED
from parity.weights import Taps, model_with, released_state_dict

FULL = ('logits',)
TOLERANCE = dict(logits=1e-3, taps=2e-4)

# Batch norms fed by an L2-normalised map get statistics of its size.
_SCALE = {
    'scale4.0.bn1': 2 / 512,
    'scale4.0.downsample.1': 2 / 512,
    'scale5.0.bn1': 2 / 1024,
    'scale5.0.downsample.1': 2 / 1024,
    'reduced_c3.bn': 2 / 512,
    'reduced_c4.bn': 2 / 1024,
    'reduced_c5.bn': 2 / 2048,
    **{f'lang_c{level}_2.bn': 1 / 256 for level in (3, 4, 5)},
    **{f'lang_c{level}_3.bn': 1 / 1024 for level in (3, 4, 5)},
}
_DEPTHS = {6: 50, 23: 101, 36: 152}  # blocks of the third residual stage


def value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill one entry: the plain fill, and what lets every sub-path matter."""
    filled = fill.fill_value(key, shape)
    if key.endswith('fc_loc.2.bias'):  # warps near the identity
        return filled + np.array([1, 0, 0, 0, 1, 0], np.float32)
    if key.endswith('relu.weight'):  # slopes near 0.25
        return np.float32(0.25) + np.float32(0.5) * (filled - np.float32(1))
    if key == 'textmodel.embedding.weight':  # unit variance
        return filled * np.float32(np.sqrt(512.0))
    if key.endswith('.visual.weight'):  # attention over words not uniform
        return filled * np.float32(16)
    if key.endswith(('linear_e.weight', 'linear_q.weight')):  # co-attention not uniform
        return filled * np.float32(4)
    if key == 'output1.1.weight':  # logits of order 1
        return filled * np.float32(10)
    prefix, _, leaf = key.rpartition('.')
    if prefix in _SCALE and leaf == 'running_var':
        return filled * np.float32(_SCALE[prefix])
    if prefix in _SCALE and leaf == 'running_mean':
        return filled * np.float32(np.sqrt(_SCALE[prefix]))
    return filled


def build(
    keys: Mapping[str, Any], fill_keys: None, variant: str, config: Path | str | None = None
) -> nn.Module:
    """Build EFN with the backbone and the widths of the keys."""
    model = Config.fromfile(str(config or SHIPPED / '_base_/models/efn_wide-r101.py')).model
    model.backbone.visual.init_cfg = None
    if config is None:
        block = re.compile(r'scale4\.(\d+)\.conv1\.weight')
        blocks = max(int(found[1]) for found in map(block.fullmatch, keys) if found) + 1
        wide = keys['scale2.1.0.conv1.weight'][1][0] == 2 * keys['scale1.0.weight'][1][0]
        vocabulary, channels = keys['textmodel.embedding.weight'][1]
        model.backbone.visual.update(depth=_DEPTHS[blocks], wide=wide)
        model.backbone.text.update(vocabulary_size=vocabulary, channels=channels)
        for fusion in model.backbone.fusion[2:]:
            fusion.update(
                channels=keys['lang_c3_1.conv.weight'][1][0],
                attention_channels=keys['attention3.linear_e.weight'][1][0],
            )
        model.decode_head.channels = keys['reduced_c1.conv.weight'][1][0]
    return model_with(model, released_state_dict(keys, value), EFN)


def inputs(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Make images, and read ids and mask: padding has id 0 and stands behind the words."""
    images = torch.from_numpy(fill.make_image(case.number('image_seed'), case['image_shape']))
    ids = torch.from_numpy(case['input_ids'])
    return images, ids, (ids != 0).long()


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case; word taps are cut to its longest sentence, as the released code is."""
    images, ids, mask = inputs(case)
    encoder, head = model.backbone, model.decode_head
    length = int(mask.sum(1).max())
    concatenated: dict[str, Tensor] = {}

    def rows(words: Tensor) -> Tensor:
        return words[:, :length].flatten(0, 1)

    with Taps() as taps:
        taps.keep('img_bn', encoder.visual.input_norm)
        for level in range(2, 6):
            taps.keep(f'c{level}_raw', getattr(encoder.visual, f'layer{level - 1}'))
        for level in (3, 4, 5):
            fusion = encoder.fusion[level - 1]
            taps.keep(f'word_c{level}_prenorm', fusion.word_project, rows)
            taps.keep(f'c{level}_lang1_prenorm', fusion.reduce)
            taps.keep(f'c{level}_lang2_prenorm', fusion.mix)
            taps.keep(f'c{level}_lang3_prenorm', fusion.expand)
            taps.keep(f'c{level}_wordmap', fusion.word_map)
            taps.keep(f'c{level}_coatt_visual', fusion.coattention.visual_out)
            taps.keep(f'c{level}_coatt_word', fusion.coattention.word_out)
            name = f'c{level}_lang2_input'
            fusion.mix.register_forward_pre_hook(
                lambda _, arguments, name=name: concatenated.update({name: arguments[0]})
            )
        taps.keep('word_512', encoder.text.word_project, rows)
        taps.keep('word_raw', encoder.text.mlp)
        taps.keep('sentence_prenorm', encoder.text.sentence_project)
        encoder.text.sentence_project.register_forward_pre_hook(
            lambda _, arguments: concatenated.update(sentence_raw=arguments[0])
        )
        taps.keep('forward_states', encoder.text.forward_rnn, lambda output: output[0])
        for index, reduce in enumerate(head.reduce):
            taps.keep(f'dem{index + 1}', reduce)
        taps.keep('output5', head.first)
        for number, step in zip((5, 4, 3, 2), head.steps, strict=True):
            taps.keep(f'theta{number}', step.split.locate)
            taps.keep(f'body{number}', step.split, lambda output: output[0])
            taps.keep(f'edge{number}', step.split, lambda output: output[1])
            taps.keep(f'edge_fused{number}', step.edge_fusion)
            taps.keep(f'output{number - 1}', step, lambda output: output.output)
        features = model.extract_feat(images, ids, mask)
        logits = head(features).masks
    ours = dict(taps.outputs, **concatenated, c1_raw=features.visual[0])
    for level in (3, 4, 5):
        ours[f'c{level}_fused'] = features.visual[level - 1]
    valid = mask[:, :length, None]
    backward = _backward_states(encoder.text.backward_rnn, taps.outputs['word_raw'], mask)
    states = torch.cat([ours.pop('forward_states'), backward], -1)
    ours['gru_states'] = states[:, :length] * valid
    ours['word_raw'] = ours['word_raw'][:, :length] * valid
    ours['logits'] = F.interpolate(
        logits, images.shape[2:], mode='bilinear', align_corners=head.align_corners
    )
    return ours


def _backward_states(rnn: nn.GRU, words: Tensor, mask: Tensor) -> Tensor:
    """Run the backward direction over whole sentences; our network needs its first step alone."""
    place = torch.arange(words.shape[1])
    turned = (mask.sum(1, keepdim=True) - 1 - place).clamp(min=0)[..., None]
    turned = turned.expand(-1, -1, words.shape[2])
    states, _ = rnn(words.gather(1, turned))
    return states.gather(1, turned)


def training(
    build_model: Callable[[], nn.Module], golden: Golden, keys: Mapping[str, Any]
) -> list[Row]:
    """Compare losses, side outputs, gradients and two steps of SGD.

    With frozen batch norms in float32, with batch statistics in float64: there float32 loses the
    gradients (docs/methods/efn.md).
    """
    stored = golden.whole
    masks = torch.from_numpy(stored['mask'])[:, None].float()
    edges = torch.from_numpy(stored['edge_map'])[:, None].float()
    rows = [Row('training', 'edge_map', (edge_band(masks) - edges).abs().max().item(), 0)]
    for name, dtype in (('frozen_bn', torch.float32), ('batch_bn', torch.float64)):
        model = build_model().to(dtype).train(name == 'batch_bn')
        if name == 'frozen_bn':
            for module in model.modules():
                if isinstance(module, _BatchNorm):
                    module.requires_grad_(False)
        rows += _run(model, name, golden, masks, keys, dtype)
    return rows


def _run(
    model: nn.Module,
    name: str,
    golden: Golden,
    masks: Tensor,
    keys: Mapping[str, Any],
    dtype: torch.dtype,
) -> list[Row]:
    images, ids, mask = inputs(golden.whole)
    stored = Case(golden.arrays, f'{name}/')
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one.to(torch.uint8))) for one in masks]
    head = model.decode_head
    exact = dtype == torch.float64
    total_name = 'total_float64' if exact else 'total'
    rows = []
    optimizer = None
    for step in range(3):
        features = model.extract_feat(images.to(dtype), ids, mask)
        losses = head.loss(features, samples)
        total = sum(losses.values())
        difference = relative(total.item(), stored[f'step{step}/{total_name}'])
        rows.append(Row(name, f'step{step}/{total_name}', difference, 5e-6))
        if step == 2:
            break
        if step == 0:
            for released, ours in (('M', 'mask'), ('B', 'body'), ('E', 'edge')):
                for level in range(1, 5):
                    loss = losses[f'loss_{ours}{level}'].item()
                    difference = relative(loss, stored[f'step0/{released}{level}'])
                    # The stored terms are float32's; with batch statistics it is less exact.
                    limit = 1e-4 if exact else 1e-6
                    rows.append(Row(name, f'step0/{released}{level}', difference, limit))
            rows += _side_rows(model, features, name, stored, masks.shape[2:], exact)
        model.zero_grad()
        total.backward()
        if step == 0:
            rows += gradient_rows(
                model, EFN, keys, stored, name, tolerance=1e-6 if exact else 1.5e-3
            )
            rows += _embedding_rows(model, name, stored, keys, 1e-6 if exact else 1.5e-3)
            optimizer = torch.optim.SGD(
                [p for p in model.parameters() if p.grad is not None],
                lr=1e-3,
                momentum=0.9,
                weight_decay=5e-4,
            )
        optimizer.step()
    return rows


def _side_rows(
    model: nn.Module, features: Any, name: str, stored: Case, size: Any, exact: bool
) -> list[Row]:
    """Compare the upsampled outputs, the edge's as probabilities; the stored ones are float32's."""
    rows = []
    head = model.decode_head
    with torch.no_grad():
        for level, found, side in zip((4, 3, 2, 1), head.decode(features), head.sides, strict=True):
            mask, body, edge = side(found, size)
            for key, ours in (('final', mask), ('body', body), ('edge', edge.sigmoid())):
                difference = stored.difference(f'out/{key}{level}', ours.numpy())
                rows.append(Row(name, f'out/{key}{level}', difference, 5e-3 if exact else 2e-4))
    return rows


def _embedding_rows(
    model: nn.Module, name: str, stored: Case, keys: Mapping[str, Any], limit: float
) -> list[Row]:
    """Compare the gradients of the embedding's rows, and which parameters have none."""
    key = 'textmodel.embedding.weight'
    shape = tuple(keys[key][1])
    norms = released_gradient(model, EFN, key, shape).view(shape).norm(dim=1).numpy()
    ids = stored['grad_embedding_row_ids']
    others = np.delete(norms, ids)
    difference = relative(norms[ids], stored['grad_embedding_row_norms'])
    expected = set(map(str, stored['no_grad_names']))
    ours = {
        key
        for key, (kind, shape) in keys.items()
        if kind.startswith('float')
        and not key.endswith(('running_mean', 'running_var'))
        and released_gradient(model, EFN, key, tuple(shape)) is None
    }
    return [
        Row(name, 'grad_embedding_row_norms', difference, limit),
        Row(name, 'other rows of the embedding', float(np.abs(others).max()), 0),
        Row(name, 'no_grad_names', float(len(ours ^ expected)), 0),
    ]
