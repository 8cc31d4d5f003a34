# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A checkpoint that commit b7b1383 wrote, before layout, names and interfaces changed.

``magnet_tiny_refshapes.py`` with narrower layers, four training steps; ``logits.npy`` is what that
commit computed from it for the tensors below.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from magnet_mm.apis import ReferringSegInferencer

STORED = Path(__file__).parents[2] / 'data' / 'before_redesign'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    file = tmp_path_factory.mktemp('before_redesign') / 'best_oIoU_epoch_1.pth'
    file.write_bytes(gzip.decompress((STORED / 'magnet_tiny.pth.gz').read_bytes()))
    return file


@pytest.mark.filterwarnings('ignore:.*is now called.*:DeprecationWarning')
def test_an_old_checkpoint_with_the_config_inside_it_gives_the_same_logits(checkpoint):
    meta = torch.load(checkpoint, weights_only=False)['meta']  # our own file
    inferencer = ReferringSegInferencer(Config.fromstring(meta['cfg'], '.py'), checkpoint)
    images = torch.linspace(-2, 2, 2 * 3 * 80 * 80).sin().mul(7).cos().view(2, 3, 80, 80)
    # No padding: text PWAM's statistics took it in then.
    input_ids = torch.stack([torch.arange(2, 22), torch.arange(30, 50)])
    # In double precision: norms over the almost constant maps of four steps magnify rounding.
    model = inferencer.model.double()
    with torch.no_grad():
        logits = model.predict_logits(images.double(), input_ids, torch.ones_like(input_ids))
    expected = torch.from_numpy(np.load(STORED / 'logits.npy'))
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, atol=1e-9, rtol=0)
