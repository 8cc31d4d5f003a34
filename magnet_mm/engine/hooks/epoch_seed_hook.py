# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Random numbers that depend on (seed, epoch, rank) alone, so that a resumed run goes on alike."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import HOOKS

from magnet_mm.datasets.samplers import EpochSampler, drawing_datasets
from magnet_mm.errors import ConfigError


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseeds Python, numpy and torch at the start of every training epoch.

    The stock Runner does not save the state of the random number generators: after a resume,
    dropout, drop-path and token corruption would differ from the uninterrupted run (validation
    consumes random numbers too). Seeding each epoch from (seed, epoch, rank) makes the two runs
    the same (our choice). Set ``randomness=dict(seed=...)``: without a seed of the config's own the
    sampler of a resumed run draws another order.

    The generators are seeded twice in an epoch: before the data loader starts (its workers are
    seeded from the generator) and before the first iteration, because a loader with persistent
    workers draws a number only when it starts them, in the first epoch of a run.

    An iteration-based training (``IterBasedTrainLoop``) has no epochs to begin anew: there every
    iteration is seeded from (seed, iteration, rank). What its workers draw from their own
    generators is not repeated after a resume; the shipped pipelines draw nothing there.

    The hook is the last one called at each of these points (``LOWEST``). It also checks that a
    dataset that draws sentences is read through an ``EpochSampler``; with any other sampler every
    epoch would see the same sentences.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Any) -> None:
        """Check that the training sampler tells the dataset which epoch it is.

        Raises:
            ConfigError: If a dataset that draws sentences is read through another sampler.
        """
        dataloader = runner.train_dataloader
        samplers = (dataloader.sampler, getattr(dataloader.batch_sampler, 'sampler', None))
        if any(isinstance(sampler, EpochSampler) for sampler in samplers):
            return
        if any(drawing_datasets(dataloader.dataset)):
            raise ConfigError(
                f'train_dataloader.sampler is a {type(samplers[0]).__name__}: with it every epoch '
                'would draw the same sentence of each object. Set train_dataloader.sampler='
                "dict(type='EpochSampler', shuffle=True)."
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Seed all generators from (seed, epoch, rank)."""
        seed_generators(runner.seed, runner.epoch)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed again before the first iteration of an epoch, whatever the data loader drew."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            seed_generators(runner.seed, runner.iter)
        elif batch_idx == 0:
            seed_generators(runner.seed, runner.epoch)


def seed_generators(seed: int, epoch: int) -> None:
    """Seed Python's, numpy's and torch's generators (all devices) from (seed, epoch, rank)."""
    entropy = np.random.SeedSequence([seed, epoch, get_rank()])
    python_seed, numpy_seed, torch_seed = (int(part) for part in entropy.generate_state(3))
    random.seed(python_seed)
    np.random.seed(numpy_seed)
    torch.manual_seed(torch_seed)
