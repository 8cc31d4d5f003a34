# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A resumed run repeats the losses of an uninterrupted one; sentences need an EpochSampler."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS

import magnet_mm.datasets  # noqa: F401  registers the dataset and the sampler
from magnet_mm.datasets import EpochSampler
from magnet_mm.engine import EpochSeedHook
from magnet_mm.errors import ConfigError


def draw(seed, epoch):
    EpochSeedHook().before_train_epoch(SimpleNamespace(seed=seed, epoch=epoch))
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_numbers_depend_on_seed_and_epoch_alone():
    first = draw(0, 3)
    torch.rand(5)
    assert draw(0, 3) == first
    for other in (draw(0, 4), draw(1, 3)):
        assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(('num_workers', 'persistent'), [(0, False), (2, False), (2, True)])
def test_resumed_run_has_the_losses_of_an_uninterrupted_one(make_runner, num_workers, persistent):
    # workers that live on keep their own random state: no noise from them
    options = {
        'num_workers': num_workers,
        'train_dataloader.persistent_workers': persistent,
        'train_dataloader.dataset.noise': 0.0 if persistent else 0.1,
    }
    straight = make_runner('straight', epochs=2, **options)
    straight.train()
    # the schedule's 40 epochs stay: the same run, stopped after its first epoch
    interrupted = make_runner('interrupted', epochs=1, **options)
    interrupted.train()
    resumed = make_runner(
        'resumed',
        epochs=2,
        resume=True,
        load_from=f'{interrupted.work_dir}/epoch_1.pth',
        **options,
    )
    resumed.train()
    assert len(set(straight.model.losses)) == 6
    assert interrupted.model.losses + resumed.model.losses == straight.model.losses
    assert torch.equal(resumed.model.linear.weight, straight.model.linear.weight)


def dataloader(dataset, sampler):
    return torch.utils.data.DataLoader(dataset, batch_size=1, sampler=sampler)


class FakeReferringDataset(DATASETS.get('ReferringDataset')):
    """A ReferringDataset without files."""

    def __init__(self, test_mode):
        self.test_mode = test_mode

    def __len__(self):
        return 2


def test_dataset_that_draws_sentences_needs_an_epoch_sampler():
    hook = EpochSeedHook()
    training = FakeReferringDataset(test_mode=False)
    mixed = torch.utils.data.ConcatDataset([training, training])
    for dataset in (training, mixed):
        runner = SimpleNamespace(train_dataloader=dataloader(dataset, None))
        with pytest.raises(ConfigError, match='EpochSampler'):
            hook.before_train(runner)
        sampler = EpochSampler(dataset)
        hook.before_train(SimpleNamespace(train_dataloader=dataloader(dataset, sampler)))
        batches = torch.utils.data.BatchSampler(sampler, 1, False)
        loader = torch.utils.data.DataLoader(dataset, batch_sampler=batches)
        hook.before_train(SimpleNamespace(train_dataloader=loader))


def test_other_datasets_may_use_any_sampler():
    for dataset in (FakeReferringDataset(test_mode=True), [1, 2]):
        EpochSeedHook().before_train(SimpleNamespace(train_dataloader=dataloader(dataset, None)))
