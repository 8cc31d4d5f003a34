# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A Runner small enough to train in a second, with the randomness that a resume has to repeat."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmseg.registry import DATASETS, METRICS, MODELS
from refcoco_root import pipeline, vocabulary, write_data  # noqa: F401
from torch.utils.data import Dataset

import magnet_mm.engine  # noqa: F401  registers the hooks

REPOSITORY = Path(__file__).resolve().parents[2]


@MODELS.register_module(force=True)
class DropoutRegressor(BaseModel):
    """A linear layer behind dropout; records its losses."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 1)
        self.norm = torch.nn.BatchNorm1d(4)
        self.auxiliary_head = torch.nn.Linear(4, 1)
        self.losses: list[float] = []

    def forward(self, inputs, data_samples=None, mode='tensor'):  # noqa: D102
        batch = self.norm(torch.stack(inputs))
        if mode != 'loss':
            return [float(value) for value in self.linear(batch)]
        batch = torch.nn.functional.dropout(batch, 0.5)
        loss = ((self.linear(batch) + self.auxiliary_head(batch)) ** 2).mean()
        self.losses.append(loss.item())
        return dict(loss=loss)


@DATASETS.register_module(force=True)
class NoisyNumbers(Dataset):
    """Twelve vectors with noise that workers draw from torch's generator."""

    metainfo = dict(classes=('background', 'referred object'), palette=[[0, 0, 0], [0, 200, 80]])

    def __init__(self, noise: float = 0.1) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.linspace(index, index + 1, 4) + self.noise * torch.randn(4))


@METRICS.register_module(force=True)
class CountingMetric(BaseMetric):
    """Scores 10, 20, 30 ... in successive validations, and consumes random numbers."""

    default_prefix = None
    calls = 0

    def process(self, data_batch, data_samples) -> None:  # noqa: D102
        self.results.extend(data_samples)

    def compute_metrics(self, results) -> dict:  # noqa: D102
        torch.rand(7)
        CountingMetric.calls += 1
        return dict(oIoU=torch.tensor(10.0 * CountingMetric.calls).numpy()[()])


def _runner_config(work_dir: Path, epochs: int, num_workers: int) -> Config:
    dataloader = dict(
        batch_size=4,
        num_workers=num_workers,
        dataset=dict(type='NoisyNumbers'),
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    runtime = Config.fromfile(str(REPOSITORY / 'configs/_base_/default_runtime.py'))
    schedule = Config.fromfile(str(REPOSITORY / 'configs/_base_/schedules/schedule_40e.py'))
    runtime.merge_from_dict(schedule._cfg_dict)
    runtime.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            model=dict(type='DropoutRegressor'),
            train_dataloader=dataloader,
            val_dataloader=dataloader,
            test_dataloader=dataloader,
            val_evaluator=dict(type='CountingMetric'),
            test_evaluator=dict(type='CountingMetric'),
            train_cfg=dict(max_epochs=epochs),
            custom_imports=None,
            visualizer=dict(type='Visualizer'),
            experiment_name=work_dir.name,
        )
    )
    runtime.optim_wrapper.optimizer.lr = 0.01
    runtime.optim_wrapper.paramwise_cfg = dict(norm_decay_mult=0.0)  # no backbone here
    # so that a training of fewer epochs is the beginning of one with more
    runtime.param_scheduler[0].end = 40
    runtime.default_hooks.visualization = dict(type='IterTimerHook')
    return runtime


@pytest.fixture
def make_runner(tmp_path):
    """Return a function (name, epochs, num_workers=0, **config) -> Runner."""
    CountingMetric.calls = 0

    def make(name: str, epochs: int = 2, num_workers: int = 0, **changes) -> Runner:
        cfg = _runner_config(tmp_path / name, epochs, num_workers)
        cfg.merge_from_dict(changes)
        return Runner.from_cfg(cfg)

    return make
