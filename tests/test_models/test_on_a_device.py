# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""No system makes tensors on the CPU, copies, waits or computes in double on an accelerator.

Every system runs at full size and as the small one, on torch's meta device: shapes and devices are
real, numbers are absent.
"""

import contextlib
import math
from pathlib import Path

import pytest
import torch
from device_watch import DeviceWatch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.overrides import TorchFunctionMode

from magnet_mm.models.segmentors import referring_segmentor

ROOT = Path(__file__).resolve().parents[2] / 'configs'
TINY = sorted(path.stem for path in ROOT.glob('*_tiny_*refshapes.py'))
FULL = sorted(
    {  # one of each method, the last of: with Swin-B where there is one
        path.stem.split('_')[0]: path.stem
        for path in sorted(
            ROOT.glob('*_*refcoco.py'), key=lambda path: ('_swinb_' in path.stem, path.stem)
        )
        if '-' not in path.stem.split('_')[0]
    }.values()
)


class Uninitialised(TorchFunctionMode):
    """Modules are built without drawing their numbers: 200 million of them take seconds."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, '__name__', '') in ('normal_', 'uniform_', 'random_', 'erfinv_'):
            return args[0] if args else kwargs['tensor']
        return func(*args, **(kwargs or {}))


def build(name: str) -> tuple[Config, torch.nn.Module]:
    """A config's model on meta."""
    MMLogger.get_instance('mmengine', log_level='ERROR')
    config = Config.fromfile(str(ROOT / f'{name}.py'))
    init_default_scope('mmseg')
    with Uninitialised():
        model = MODELS.build(config.model)
    return config, model.to('meta')


def batch(config: Config, count: int = 2, tokens: int = 20) -> tuple[torch.Tensor, list]:
    """Images and samples on meta."""
    size = tuple(config.model.data_preprocessor.size)

    def sample() -> SegDataSample:
        mask = torch.zeros(1, *size, dtype=torch.uint8, device='meta')
        one = SegDataSample(gt_sem_seg=PixelData(data=mask))
        for name in ('input_ids', 'attention_mask', 'special_tokens_mask'):
            one.set_data({name: torch.zeros(tokens, dtype=torch.int64, device='meta')})
        return one

    return torch.zeros(count, 3, *size, device='meta'), [sample() for _ in range(count)]


@pytest.mark.parametrize(
    ('kind', 'act'),
    [
        ('sync', lambda x: x.sum().item()),
        ('boolean indexing', lambda x: x[x > 0]),
        ('cpu', lambda x: x + torch.zeros(())),
        ('copy', lambda x: torch.tensor([1.0], device='meta')),
        ('float64', lambda x: x.double()),
    ],
)
def test_the_watch_sees(kind, act):
    x = torch.ones(3, device='meta')
    with DeviceWatch() as watch, contextlib.suppress(RuntimeError, NotImplementedError):
        act(x + 1)
    assert {found for found, _, _ in watch.found} == {kind}


def test_every_method_is_there():
    assert {name.split('_')[0] for name in FULL} == {
        name.split('_')[0] for name in TINY if '-' not in name.split('_')[0]
    }
    assert len(FULL) == 12


@pytest.mark.parametrize('name', [*TINY, *FULL])
def test_nothing_waits_or_leaves_the_device(name, monkeypatch):
    # Equal images of a batch are found by their pixels: one wait, before the step begins.
    monkeypatch.setattr(referring_segmentor, 'shared_images', lambda images: (images, None))
    config, model = build(name)
    config.optim_wrapper.optimizer.pop('fused', None)  # torch has no fused step on meta
    config.optim_wrapper.optimizer.foreach = True
    optimiser = build_optim_wrapper(model, config.optim_wrapper)
    images, samples = batch(config)
    ids, mask = (
        torch.stack([one.get(key) for one in samples]) for key in ('input_ids', 'attention_mask')
    )
    with DeviceWatch() as watch:
        loss, _ = model.train().parse_losses(model.loss(images, samples))
        optimiser.update_params(loss)
        with torch.no_grad():
            logits = model.eval().predict_logits(images, ids, mask)
    assert not watch.found
    assert logits.is_meta and loss.is_meta and loss.shape == ()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p in optimiser.optimizer.state for p in trained if p.grad is not None)
    assert sum(p.numel() for p in trained if p in optimiser.optimizer.state) > 0.9 * sum(
        p.numel() for p in trained
    )
    assert math.prod(logits.shape[2:]) > 1
