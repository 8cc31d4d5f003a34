# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pseudo-random TensorFlow variables of CMPC and LSCM, and the inputs of their cases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from magnet_mm.released.conversion import convert_state_dict
from magnet_mm.released.key_map import KeyMap
from magnet_mm.released.level_sequence import RESNET101, normal_form
from magnet_mm.released.tensorflow import caffe_resnet_names
from magnet_mm.structures import CrossModalFeatures
from parity import fill
from parity.golden import Case
from parity.inputs import SHIPPED

CHANNELS = (256, 512, 1024, 2048)
TOLERANCE = dict(logits=2e-4, taps=2e-4, losses=1e-5)
#: Gain of weights by the start of the fill key; the first that fits counts.
GAINS = (
    (r'embedding\.weight', 10),
    (r'RNN\..*\.weight', 3),
    (r'words_parse_1\.weight', 30),
    (r'words_parse_2\.weight', 4),
    (r'(words_trans_|spa_graph_trans2_).*weight', 150),
    (r'(spa_graph_key_|lang_query_).*weight', 30),
    (r'(words_query_|vis_key_|vagr_query_|vagr_key_).*weight', 40),
    (r'vis_trans_.*weight', 10),
    (r'lang_trans_.*weight', 20),
    (r'lang_feat_.*weight', 24),
    (r'(trans_feat_|gv_lang_|fusion_).*weight', 4),
    (r'rnn\.conv_lstm_cell\.weight', 16),
    (r'score\.weight', 6),
    (r'score_c\d\.weight', 12),
)
_LEAVES = dict(DW='weight', kernel='weight', biases='bias', beta='bias', gamma='weight')


def fill_rule(name: str, shape: Sequence[int]) -> tuple[str, tuple[int, ...], float, float]:
    """Fill key, torch shape, gain and offset of a variable, where no file says them."""
    *scope, leaf = name.removeprefix('text_objseg/').split('/')
    if leaf == 'Variable':
        key, order = 'embedding.weight', (0, 1)
    else:
        key = '.'.join([*scope, _LEAVES.get(leaf, leaf)])
        order = {4: (3, 2, 0, 1), 3: (2, 0, 1), 2: (1, 0), 1: (0,)}[len(shape)]
    gain = next((gain for pattern, gain in GAINS if re.fullmatch(pattern, key)), 1)
    return key, tuple(shape[axis] for axis in order), gain, 0


def variables(
    keys: Mapping[str, Any], fill_keys: Mapping[str, Any] | None
) -> dict[str, np.ndarray]:
    """Fill the variables of a key list, each in TensorFlow's layout."""
    filled = {}
    for name, (_, shape) in keys.items():
        rule = fill_rule(name, shape) if fill_keys is None else fill_keys[name]
        key, torch_shape, gain, offset = rule
        value = fill.fill_value(key, torch_shape) * np.float32(gain) + np.float32(offset)
        if name != 'text_objseg/Variable':
            value = value.transpose({4: (2, 3, 1, 0), 3: (1, 2, 0), 2: (1, 0), 1: (0,)}[value.ndim])
        filled[name] = np.ascontiguousarray(value)
    return filled


def build_head(
    base: str,
    key_map: KeyMap,
    keys: Mapping[str, Any],
    fill_keys: Mapping[str, Any] | None,
    config: Path | str | None,
) -> nn.Module:
    """Build a network at the sizes of the keys, all variables put through its converter.

    The stored outputs begin behind the backbone; its variables are our random ones under their
    released names, so that the converter has everything to account for.
    """
    init_default_scope('mmseg')
    settings = Config.fromfile(str(config or SHIPPED / '_base_/models' / base)).model
    vocabulary, width = keys['text_objseg/Variable'][1]
    settings.backbone.text.update(vocabulary_size=vocabulary, embed_channels=width, vectors=None)
    settings.backbone.visual.init_cfg = None
    settings.decode_head.grid = keys['text_objseg/rnn/conv_lstm_cell/W_ci'][1][:2]
    model = MODELS.build(settings)
    ours = model.state_dict()
    released = variables(keys, fill_keys)
    for theirs, name in caffe_resnet_names(RESNET101):
        value = ours[f'backbone.visual.{name}'].numpy()
        released[theirs] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    model.load_state_dict(convert_state_dict(normal_form(released), key_map, ours), strict=False)
    return model.eval()


def features(model: nn.Module, case: Case) -> CrossModalFeatures:
    """Make the maps and encode the sentence of a case."""
    rows, columns = model.decode_head.grid
    seed, visual = case.number('feature_seed'), []
    for index, channels in enumerate(CHANNELS):
        scale = 2 if index == 0 else 1
        fine = fill.make_image(seed + 2 * index, (1, channels, scale * rows, scale * columns))
        coarse = fill.make_image(seed + 2 * index + 1, (1, channels, rows // 2, columns // 2))
        coarse = coarse.repeat(2 * scale, 2).repeat(2 * scale, 3)
        visual.append(torch.from_numpy(np.maximum(np.float32(0.5) * fine + coarse, 0)))
    ids = torch.from_numpy(case['words'].astype(np.int64)).view(1, -1)
    extra = {}
    if 'graph' in case:  # indexed from the first word; ours stands where the words stand
        length, count = case.number('length'), ids.shape[1]
        graph = torch.zeros(1, count, count)
        graph[0, -length:, -length:] = torch.from_numpy(case['graph'])[:length, :length]
        extra['text_graph'] = graph
    return CrossModalFeatures(tuple(visual), model.backbone.text(ids, (ids != 0).long(), **extra))


def sample(case: Case, grid: Sequence[int]) -> SegDataSample:
    """Make the ground truth of a case: a disc."""
    height, width = 8 * grid[0], 8 * grid[1]
    random = np.random.RandomState(case.number('target_seed'))
    y, x = random.uniform(0.3, 0.7) * height, random.uniform(0.3, 0.7) * width
    radius = random.uniform(0.15, 0.3) * height
    rows, columns = np.mgrid[:height, :width]
    disc = ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2).astype(np.uint8)
    found = SegDataSample()
    found.gt_sem_seg = PixelData(data=torch.from_numpy(disc[None]))
    return found


class Calls:
    """Keeps inputs and outputs of every call of modules; a context manager."""

    def __init__(self) -> None:
        self.kept: dict[str, list[tuple[tuple, Any]]] = {}
        self._handles: list[Any] = []

    def keep(self, name: str, module: nn.Module) -> None:
        """Keep a module's calls under a name."""
        self.kept[name] = []

        def hook(_module: nn.Module, inputs: tuple, output: Any) -> None:
            self.kept[name].append((inputs, output))

        self._handles.append(module.register_forward_hook(hook))

    def inputs(self, name: str) -> tuple:
        """Return the inputs of the last call."""
        return self.kept[name][-1][0]

    def output(self, name: str) -> Any:
        """Return the output of the last call."""
        return self.kept[name][-1][1]

    def __enter__(self) -> Calls:
        """Start."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


def run(
    model: nn.Module, case: Case, add: Callable[[Calls, CrossModalFeatures], Iterator]
) -> dict[str, Tensor]:
    """Run a case, with its losses; ``add`` yields the method's own (name, tensor) pairs."""
    head = model.decode_head
    given = features(model, case)
    with Calls() as calls:
        for name in head.level_indices:
            calls.keep(f'lat_{name}', head.inputs[name].lateral)
            calls.keep(f'input_{name}', head.inputs[name])
            calls.keep(f'graph_{name}', head.graphs[name])
            calls.keep(f'fusion_{name}', head.outputs[name])
            calls.keep(f'score_{name}', head.level_scores[name])
        calls.keep('pred', head.score)
        calls.keep('cell', head.conv_lstm.cell)
        for turn, exchange in enumerate(getattr(head, 'rounds', ())):
            for name, module in exchange.items():
                calls.keep(f'exchange_{turn}_{name}', module)
                calls.keep(f'summary_{turn}_{name}', module.summary)
        losses = head.loss(given, [sample(case, head.grid)])
        outputs = dict(add(calls, given))
    for name in head.level_indices:
        outputs[f'lat_{name}'] = maps(calls.output(f'lat_{name}'))
        outputs[f'mutan_{name}'] = maps(calls.output(f'input_{name}'))
        outputs[f'fusion_{name}'] = maps(calls.output(f'fusion_{name}'))
        outputs[f'up_{name}'] = head._logits(
            head.level_scores[name], calls.output(f'fusion_{name}')
        )
        outputs[f'loss_{name}'] = losses[f'loss_{name}'] / head.level_weight
    steps = calls.kept['cell']
    for index, (_, (_, hidden)) in enumerate(steps):
        outputs[f'convlstm_h{index}'] = maps(hidden)
    outputs['convlstm_last'] = maps(steps[-1][1][1])
    outputs['convlstm_c_final'] = maps(steps[-1][1][0])
    outputs['pred'] = calls.output('pred')
    outputs['up'] = head(given).masks
    outputs['loss_final'] = losses['loss_final'] / head.final_weight
    outputs['loss_l2'] = losses['loss_kernels']
    return outputs


def maps(values: Tensor) -> Tensor:
    """``[B, H, W, C]`` as the taps store it, ``[B, C, H, W]``."""
    return values.permute(0, 3, 1, 2)


def row(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """``[1, N, C]`` as the taps store it, ``[1, C, 1, n]``; of the real words where masked."""
    if mask is not None:
        values = values[:, mask[0].bool()]
    return values.transpose(1, 2).unsqueeze(2)
