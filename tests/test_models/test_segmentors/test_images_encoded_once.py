# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How often every small config encodes an image with several sentences, tested and inferred."""

from pathlib import Path

import pytest
import torch

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.engine.run_setup import runtime
from magnet_mm.engine.run_setup.split_evaluation import evaluate_splits
from magnet_mm.refshapes import write_refshapes

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
SMALL = (path.name.split('_tiny_')[0] for path in CONFIGS.glob('*_tiny_refshapes.py'))
METHODS = sorted(name for name in SMALL if '-' not in name)  # without plug-ins
FUSED_INSIDE = ('coupalign', 'crossvlt', 'efn', 'lavt', 'magnet', 'rela')
BATCH = 3
IN_EVERY_RUN = ('caris', 'lavt')  # the others in `make test-faults`


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """Two images in val, with several sentences each."""
    folder = tmp_path_factory.mktemp('refshapes') / 'data'
    write_refshapes(folder, 0, dict(train=1, val=2, testA=1, testB=1))
    return folder


def count_images(model, counts):
    """Note in ``counts`` how many images enter the image encoder at a time."""
    embed = model.backbone.visual.embed

    def counting(images):
        counts.append(len(images))
        return embed(images)

    model.backbone.visual.embed = counting


@pytest.mark.parametrize(
    'method',
    [
        one if one in IN_EVERY_RUN else pytest.param(one, marks=pytest.mark.faults)
        for one in METHODS
    ],
)
def test_an_image_is_encoded_once(method, data_root, tmp_path, monkeypatch):
    """Once for all its sentences, or, where language enters the encoder, once per batch."""
    monkeypatch.setenv('REFSHAPES_ROOT', str(data_root))
    config = str(CONFIGS / f'{method}_tiny_refshapes.py')
    options = {'test_dataloader.batch_size': BATCH, 'test_dataloader.num_workers': 0}
    cfg = runtime.load_config(config, options, str(tmp_path / 'work'))
    runtime.fit_to_machine(cfg, training=False)
    runner = runtime.build_runner(cfg)
    counts, seen = [], []
    count_images(runner.model, counts)
    predict = runner.model.predict

    def watched(inputs, data_samples):
        seen.append([sample.img_path for sample in data_samples])
        return predict(inputs, data_samples)

    runner.model.predict = watched
    evaluate_splits(runner)
    images = len({path for batch in seen for path in batch})
    assert images == 2 and len(seen) > 2 and max(map(len, seen)) == BATCH
    once_per_batch = sum(len(set(batch)) for batch in seen)
    assert sum(counts) == (once_per_batch if method in FUSED_INSIDE else images)
    assert once_per_batch > images  # an image's sentences fill more than one batch

    torch.save(dict(state_dict=runner.model.state_dict()), tmp_path / 'weights.pth')
    inferencer = ReferringSegInferencer(config, tmp_path / 'weights.pth', 'cpu', False)
    counts.clear()
    count_images(inferencer.model, counts)
    inferencer(seen[0][0], ['the red circle', 'left', 'a square', 'it'] * 2, batch_size=BATCH)
    assert sum(counts) == (3 if method in FUSED_INSIDE else 1)
