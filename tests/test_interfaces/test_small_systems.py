# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The five interfaces (CONTRIBUTING.md), by systems that use them: from training to the export."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer
from small_systems import SIZE, SYSTEMS, TOKENS, small_system

from magnet_mm.deployment import FORMATS, export_checkpoint, largest_difference
from magnet_mm.engine.run_setup import runtime
from magnet_mm.refshapes import write_refshapes
from magnet_mm.visualization import ReferringVisualizer

pytestmark = pytest.mark.xdist_group('small_systems')  # each is trained once


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """RefShapes with two images to train on."""
    folder = tmp_path_factory.mktemp('refshapes') / 'data'
    write_refshapes(folder, 0, dict(train=2, val=1, testA=1, testB=1))
    return folder


@pytest.fixture(scope='module', params=SYSTEMS)
def trained(request, data_root, tmp_path_factory):
    """A system after two epochs: its config, work directory, and the runner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('REFSHAPES_ROOT', str(data_root))
        config = small_system(request.param)
    work_dir = tmp_path_factory.mktemp(request.param)
    runner = _run(config, work_dir)
    return SimpleNamespace(name=request.param, config=config, work_dir=work_dir, runner=runner)


def _run(config, work_dir: Path, **changes):
    for kind in (Visualizer, SegLocalVisualizer, ReferringVisualizer):
        kind._instance_dict.clear()  # mmengine keeps visualizers, and their folders, by name
    config = config.copy()
    config.merge_from_dict(dict(work_dir=str(work_dir), experiment_name=work_dir.name, **changes))
    runtime.fit_to_machine(config, training=True)
    runner = runtime.build_runner(config)
    runner.train()
    return runner


def _losses(runner) -> list[float]:
    return runner.message_hub.get_scalar('train/loss').data[0].tolist()


def _scores(runner) -> dict[str, float]:
    scalars = runner.message_hub.log_scalars
    return {
        name: float(value.current()) for name, value in scalars.items() if name.startswith('val/')
    }


def test_training_changes_the_weights_and_is_scored(trained):
    losses = _losses(trained.runner)
    assert len(losses) == 4 and len(set(losses)) == 4 and np.isfinite(losses).all()
    first, last = (
        torch.load(trained.work_dir / f'epoch_{epoch}.pth', weights_only=True)['state_dict']
        for epoch in (1, 2)
    )
    names = [name for name, _ in trained.runner.model.named_parameters()]
    moved = [name for name in names if not torch.equal(first[name], last[name])]
    assert any(name.startswith('backbone.text') for name in moved)
    assert any(name.startswith('backbone.visual') for name in moved)
    assert any(name.startswith('decode_head') for name in moved)
    scores = _scores(trained.runner)
    wanted = {'val/gIoU', 'val/N-acc'} if trained.name == 'answering' else {'val/oIoU', 'val/mIoU'}
    assert wanted <= scores.keys()
    assert {name: scores[f'val/{name}'] for name in trained.runner.test()}.items() <= {
        name.removeprefix('val/'): value for name, value in scores.items()
    }.items()


def test_resumed_it_goes_on_as_if_nothing_had_been(trained, tmp_path):
    start = str(trained.work_dir / 'epoch_1.pth')
    resumed = _run(trained.config, tmp_path / 'resumed', load_from=start, resume=True)
    assert _losses(resumed) == _losses(trained.runner)
    for name, value in trained.runner.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def test_drawn(trained):
    """The contact sheet of the last validation: two items, not of one colour."""
    *_, last = sorted(trained.work_dir.glob('*/vis_data/vis_image/val_samples_*.png'))
    sheet = mmcv.imread(str(last))
    assert sheet.shape[0] > 2 * SIZE and sheet.std() > 10


@pytest.mark.faults  # writing ONNX takes ten seconds each
def test_exported(trained):
    out = trained.work_dir / 'small.onnx'
    files = export_checkpoint(trained.config, 'small.py', trained.work_dir / 'epoch_2.pth', out)
    assert largest_difference(files, FORMATS['onnx'].load(out)) < 1e-3
    about = files.description
    assert about.inputs['input_ids']['shape'] == ['B', TOKENS]
    assert (about.letterbox is not None) == (trained.name == 'gru_letterboxed')
    assert list(about.outputs) == ['logits', 'no_target'][: 1 + (trained.name == 'answering')]
    assert about.foreground['kind'] == (
        'argmax' if trained.name == 'fused_in_two_stages' else 'sigmoid'
    )
