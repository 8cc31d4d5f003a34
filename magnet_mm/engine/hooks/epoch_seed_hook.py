# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Random numbers that depend on (seed, epoch, rank) alone, so that a resumed run goes on alike."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import DATA_SAMPLERS, DATASETS, HOOKS

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

    The hook is the last one called at each of these points (``LOWEST``). It also checks that a
    dataset that draws sentences is read through a ``VisitSampler``; with any other sampler every
    epoch would see the same sentences.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Any) -> None:
        """Check that the training sampler tells the dataset which visit it is.

        Raises:
            ConfigError: If a ``ReferringDataset`` in training mode is read through another sampler.
        """
        dataloader = runner.train_dataloader
        samplers = (dataloader.sampler, getattr(dataloader.batch_sampler, 'sampler', None))
        visit_sampler = DATA_SAMPLERS.get('VisitSampler')
        if any(isinstance(sampler, visit_sampler) for sampler in samplers):
            return
        if any(_draws_sentences(dataset) for dataset in _all_datasets(dataloader.dataset)):
            raise ConfigError(
                f'train_dataloader.sampler is a {type(samplers[0]).__name__}: with it every epoch '
                'would draw the same sentence of each object. Set train_dataloader.sampler='
                "dict(type='VisitSampler', shuffle=True)."
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Seed all generators from (seed, epoch, rank)."""
        seed_generators(runner.seed, runner.epoch)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed again before the first iteration of an epoch, whatever the data loader drew."""
        if batch_idx == 0:
            seed_generators(runner.seed, runner.epoch)


def seed_generators(seed: int, epoch: int) -> None:
    """Seed Python's, numpy's and torch's generators (all devices) from (seed, epoch, rank)."""
    entropy = np.random.SeedSequence([seed, epoch, get_rank()])
    python_seed, numpy_seed, torch_seed = (int(part) for part in entropy.generate_state(3))
    random.seed(python_seed)
    np.random.seed(numpy_seed)
    torch.manual_seed(torch_seed)


def _all_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the dataset and those inside it (concatenated, repeated, sliced)."""
    yield dataset
    inner = list(getattr(dataset, 'datasets', None) or [])
    inner += [getattr(dataset, name) for name in ('dataset', '_dataset') if hasattr(dataset, name)]
    for part in inner:
        yield from _all_datasets(part)


def _draws_sentences(dataset: Any) -> bool:
    return isinstance(dataset, DATASETS.get('ReferringDataset')) and not dataset.test_mode
