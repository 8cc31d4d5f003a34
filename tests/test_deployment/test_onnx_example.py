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


@pytest.mark.parametrize('size', [(5, 7), (20, 20), (1, 3)])
def test_upsampling_is_that_of_torch(example, size):
    maps = torch.randn(2, *size)
    expected = torch.nn.functional.interpolate(
        maps[:, None], (33, 21), mode='bilinear', align_corners=True
    )[:, 0]
    np.testing.assert_allclose(example['upsample'](maps.numpy(), 33, 21), expected, atol=1e-5)


@pytest.mark.slow
def test_mask_is_that_of_the_model(example, small_config, save_checkpoint, tmp_path):
    config = small_config('lavt')
    checkpoint = save_checkpoint(config)
    picture = np.random.default_rng(0).integers(0, 255, (45, 70, 3), dtype=np.uint8)
    picture = mmcv.imresize(picture, (140, 90))
    Image.fromarray(picture).save(tmp_path / 'picture.png')
    _balance_classes(config, checkpoint, tmp_path / 'picture.png')
    files = export_checkpoint(config, 'small.py', checkpoint, tmp_path / 'm.onnx', 'onnx')
    assert json.loads(files.metadata.read_text())['channels'] == 2

    segmentor = example['OnnxReferringSegmentor'](files.model)
    masks, scores = segmentor(Image.open(tmp_path / 'picture.png'), SENTENCES)
    assert masks.shape == (2, 90, 140) and masks.dtype == bool and scores.shape == (2,)

    samples = _predictions(config, files.network.segmentor, tmp_path / 'picture.png')
    expected = np.stack([sample.pred_sem_seg.data[0].bool().numpy() for sample in samples])
    assert 0 < expected.mean() < 1  # a random model, but not a trivial one
    for mask, wanted in zip(masks, expected, strict=True):
        wanted = Image.fromarray(wanted).resize((140, 90), Image.Resampling.NEAREST)
        assert (mask == np.asarray(wanted)).mean() > 0.995

    class OneChannel:
        """The same network as one with a single channel of logits, as MagNet's are."""

        session = segmentor.session

        def run(self, names, inputs):
            (logits,) = self.session.run(names, inputs)
            return [logits[:, 1:] - logits[:, :1]]

    segmentor.session = OneChannel()
    again, same_scores = segmentor(Image.open(tmp_path / 'picture.png'), SENTENCES)
    assert np.array_equal(again, masks) and np.allclose(same_scores, scores)


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
