# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""docs/examples/onnx_inference.py: its mask is that of the model and the test pipeline."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, TRANSFORMS
from PIL import Image

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.datasets.tokenizers import TreeTokenizer, WordTokenizer
from magnet_mm.deployment import export_checkpoint

EXAMPLE = Path(__file__).resolve().parents[2] / 'docs/examples/onnx_inference.py'
SENTENCES = ['the red circle', 'small blue square on the left']


@pytest.fixture(scope='module')
def example() -> dict:
    """The names of the example."""
    return runpy.run_path(str(EXAMPLE))


def test_it_needs_neither_torch_nor_this_package():
    code = (
        f'import runpy, sys; runpy.run_path({str(EXAMPLE)!r}); '
        "sys.exit(len({'torch', 'magnet_mm', 'mmcv', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


@pytest.mark.parametrize('align_corners', [True, False])
@pytest.mark.parametrize('size', [(5, 7), (20, 20), (1, 3), (60, 50)])
def test_upsampling_is_that_of_torch(example, size, align_corners):
    maps = torch.randn(2, *size)
    expected = torch.nn.functional.interpolate(
        maps[:, None], (33, 21), mode='bilinear', align_corners=align_corners
    )[:, 0]
    ours = example['upsample'](maps.numpy(), 33, 21, align_corners)
    # torch rounds the positions to float32
    np.testing.assert_allclose(ours, expected, atol=5e-5)


@pytest.mark.parametrize('padding', ['front', 'end'])
@pytest.mark.parametrize('rule', ['vlt', 'cmpc'])
def test_words_are_those_of_the_word_tokenizer(example, rule, padding, tmp_path):
    tokenizer = WordTokenizer('magnet_mm://refshapes', rule, padding)
    tokenizer.save(tmp_path / 'words.json', 6)
    ours = example['load_tokenizer'](tmp_path / 'words.json')
    for sentence in ('The red circle.', '', 'red, blue - and a zebra', 'the circle ' * 9):
        ids, mask = ours(sentence)
        expected = tokenizer.encode(sentence, 6)
        assert ids == expected['input_ids'].tolist()
        assert mask == expected['attention_mask'].tolist()


def test_a_tree_tokenizers_words_are_the_parsers(example, tmp_path):
    trees = tmp_path / 'trees.jsonl'
    tree = dict(expression="it ' s red", words=['it', "'s", 'red'], heads=[1, 1, 1])
    trees.write_text(json.dumps(tree) + '\n')
    tokenizer = TreeTokenizer('magnet_mm://refshapes', str(trees))
    tokenizer.save(tmp_path / 'words.json', 5)
    ids, _ = example['load_tokenizer'](tmp_path / 'words.json')("it 's red")
    assert ids == tokenizer.encode("it's red", 5)['input_ids'].tolist()


@pytest.mark.slow
@pytest.mark.parametrize('letterbox', [False, True])
def test_truth_43_masks_are_those_of_the_inferencer(
    example, letterbox, small_config, save_checkpoint, tmp_path
):
    """At most 2 pixels of a mask may lie on the other side of the threshold by rounding."""
    config = small_config('lavt')
    if letterbox:
        steps = config.test_dataloader.dataset.pipeline
        place = next(i for i, step in enumerate(steps) if step['type'] == 'Resize')
        steps[place] = dict(type='Letterbox', size=(64, 64), fill=(10, 20, 30), rounding='floor')
    checkpoint = save_checkpoint(config)
    pictures = []
    for number, size in enumerate([(140, 90), (33, 75), (64, 64)]):
        noise = np.random.default_rng(number).integers(0, 255, (45, 70, 3), dtype=np.uint8)
        pictures.append(tmp_path / f'{number}.png')
        Image.fromarray(mmcv.imresize(noise, size)).save(pictures[-1])
    _balance_classes(config, checkpoint, pictures[0])
    files = export_checkpoint(config, 'small.py', checkpoint, tmp_path / 'm.onnx', 'onnx')
    segmentor = example['OnnxReferringSegmentor'](files.model)
    inferencer = ReferringSegInferencer(config, checkpoint, 'cpu', show_progress=False)
    shares = []
    for picture in pictures:
        masks, scores = segmentor(Image.open(picture), SENTENCES)
        results = inferencer(str(picture), SENTENCES)
        for mask, score, result in zip(masks, scores, results, strict=True):
            assert mask.shape == result.mask.shape and mask.dtype == bool
            assert np.count_nonzero(mask != result.mask) <= 2
            assert abs(score - result.score) < 1e-3
            shares.append(mask.mean())
    assert 0 < np.mean(shares) < 1  # a random model, but not a trivial one


@torch.no_grad()
def _balance_classes(config, checkpoint: Path, picture: Path) -> None:
    """Shift the class bias of a random LAVT so that both classes occur in its masks."""
    saved = torch.load(checkpoint, weights_only=True)
    segmentor = MODELS.build(config.model).eval()
    segmentor.load_state_dict(saved['state_dict'])
    logits = torch.stack([s.seg_logits.data for s in _predictions(config, segmentor, picture)])
    saved['state_dict']['decode_head.conv_seg.bias'][1] -= (logits[:, 1] - logits[:, 0]).median()
    torch.save(saved, checkpoint)


@torch.no_grad()
def _predictions(config, segmentor, picture: Path) -> list:
    """Predictions at input resolution through the config's own test pipeline and preprocessor."""
    init_default_scope('mmseg')
    steps = [
        step
        for step in config.test_dataloader.dataset.pipeline
        if step['type'] != 'LoadReferringMask'
    ]
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    packed = [pipeline(dict(img_path=str(picture), expression=one)) for one in SENTENCES]
    batch = segmentor.data_preprocessor(
        dict(
            inputs=[one['inputs'] for one in packed],
            data_samples=[one['data_samples'] for one in packed],
        )
    )
    return segmentor.predict(batch['inputs'], batch['data_samples'])
