# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT as released for Keras 2.3 (docs/methods/vlt.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.decode_heads.vlt_mask_decoder import summed_cross_entropy
from magnet_mm.released.vlt import VLT
from magnet_mm.structures import CrossModalFeatures
from parity import fill
from parity.golden import Case
from parity.inputs import SHIPPED
from parity.weights import Taps, model_with

FULL = ('logits', 'loss')
# The released network's own float32 rounding is about 2.6e-4; the loss sums 86,528 pixels.
TOLERANCE = dict(logits=1e-3, taps=5e-4, loss=0.4)  # 1e-5 of the loss


def build(
    keys: Mapping[str, Any],
    fill_keys: Mapping[str, Any] | None,
    variant: str,
    config: Path | str | None = None,
) -> nn.Module:
    """Build VLT at the sizes of the keys.

    Raises:
        ConfigError: without the fill keys.
    """
    if fill_keys is None:
        raise ConfigError('VLT is filled by its layers: give --fill-keys vlt_fill_keys.json.')
    model = Config.fromfile(str(config or SHIPPED / 'vlt_darknet53_refcoco.py')).model
    side = round(keys['dense_12/kernel'][1][1] ** 0.5)
    model.backbone.visual.init_cfg = None
    model.backbone.text.update(vocabulary_size=1, word_vectors=None)
    model.decode_head.update(
        grid=(side, side),
        channels=keys['dense_12/kernel'][1][0],
        num_queries=keys['conv2d_73/kernel'][1][3],
    )
    return model_with(model, _state(keys, fill_keys), VLT)


def _state(keys: Mapping[str, Any], fill_keys: Mapping[str, Any]) -> dict[str, Tensor]:
    """Fill in torch's layout, as the files were made, and turn it into TensorFlow's."""
    state = {}
    for name, (key, shape, gain, offset) in fill_keys.items():
        value = fill.fill_value(key, tuple(shape)) * np.float32(gain) + np.float32(offset)
        order = {4: (2, 3, 1, 0), 2: (1, 0)}.get(value.ndim)
        value = value if order is None else value.transpose(order)
        state[name] = torch.from_numpy(np.ascontiguousarray(value)).reshape(keys[name][1])
    return state


def _inputs(model: nn.Module, case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Images, word vectors, mask."""
    lengths = case['lengths'].tolist()
    batch, tokens = len(lengths), int(case['words/shape'][1])
    blocks = model.decode_head.grid[0] // 2  # pixels of stride 32
    seed = case.number('image_seed')
    coarse = fill.make_image(seed, (batch, 3, blocks, blocks)).repeat(32, 2).repeat(32, 3)
    fine = fill.make_image(seed + 1, (batch, 3, 32 * blocks, 32 * blocks))
    images = (0.5 + 0.2 * coarse + 0.1 * fine).astype(np.float32)
    source = np.random.RandomState(case.number('text_seed'))
    width = model.backbone.embedding_channels
    vectors = np.zeros((batch, tokens, width), np.float32)
    for row, length in zip(vectors, lengths, strict=True):
        row[:length] = source.standard_normal((length, width)).astype(np.float32) * 0.35
    mask = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    return torch.from_numpy(images), torch.from_numpy(vectors), mask.long()


def _discs(seed: int, batch: int, side: int) -> Tensor:
    """Targets ``[B, 1, side, side]`` of the loss."""
    source = np.random.RandomState(seed)
    y, x = np.mgrid[:side, :side]
    discs = []
    for _ in range(batch):
        cy, cx = source.uniform(60, 148), source.uniform(60, 148)
        radius = source.uniform(25, 50)
        discs.append((y - cy) ** 2 + (x - cx) ** 2 < radius**2)
    return torch.from_numpy(np.stack(discs)[:, None].astype(np.float32))


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    images, vectors, mask = _inputs(model, case)
    head, text = model.decode_head, model.backbone.text
    with Taps() as taps:
        _watch(taps, model)
        visual = model.backbone.encode_images(images)
        features = CrossModalFeatures(visual, text.encode(vectors, mask))
        logits = head(features).masks
    ours = taps.outputs
    ours.update(zip(('F52', 'F26', 'F13'), visual, strict=True))
    ours.update(words=features.words, f_q=features.sentence('own'), logits=logits)
    ours['Fv_res'] = visual[-1] + ours.pop('residual')
    targets = _discs(case.number('target_seed'), len(images), logits.shape[-1])
    ours['loss'] = summed_cross_entropy(logits, targets)
    return ours


def _watch(taps: Taps, model: nn.Module) -> None:
    """Name what the modules return, or are given."""
    head = model.decode_head
    pyramid, queries, masks = head.pyramid, head.queries, head.mask_decoder
    attention = model.backbone.text.attention
    modules = dict(
        word_att_logits=attention.score,
        word_att=attention.over_words,
        residual=pyramid.residual,
        fq_proj=pyramid.activation,
        Fm=pyramid.product,
        Fm_mid=pyramid.middle,
        Fm_query=pyramid.query,
        F_tf_cat=pyramid.join,
        F_tf=pyramid.out,
        query_maps=queries.maps,
        query_flat=queries.map_project,
        lang=queries.word_project,
        fus_q=queries.query,
        fus_k=queries.key,
        fus_v=queries.value,
        fus_att=queries.attention,
        queries=queries,
        enc1_att=head.encoder[0].attention,
        enc1_attnorm=head.encoder[0].norm1,
        confidence=head.balance.confidence,
        balanced=head.balance,
    )
    modules.update({f'enc{i + 1}': layer for i, layer in enumerate(head.encoder)})
    for index, layer in enumerate(head.decoder, start=1):
        modules[f'dec{index}_self'] = layer.norm1
        modules[f'dec{index}_cross'] = layer.norm2
        modules[f'dec{index}'] = layer
    modules.update({f'qnet{i + 1}': layer for i, layer in enumerate(queries.net)})
    modules.update({f'post{i + 1}': layer for i, layer in enumerate(masks.coarse)})
    modules.update({f'post{52 * 2**i}': layer for i, layer in enumerate(masks.finer)})
    for name, module in modules.items():
        taps.keep(name, module)
    inputs = dict(
        mid_tf=pyramid.context_project,
        coord=queries.net[0],
        enc_in=head.encoder[0],
        dec_in=head.decoder[0],
        responses=masks.coarse,
    )
    for name, module in inputs.items():
        taps.keep_input(name, module)
