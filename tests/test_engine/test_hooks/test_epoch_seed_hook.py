# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A resumed run repeats the losses of an uninterrupted one; sentences need an EpochSampler."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

import magnet_mm.datasets  # noqa: F401  registers the dataset and the sampler
from magnet_mm.datasets import EpochSampler
from magnet_mm.datasets.sentence_sampling import draw_sentence
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
        self.test_mode = self.per_sentence = test_mode

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


@MODELS.register_module(force=True)
class SentenceRecorder(BaseModel):
    """Records (ref, sentence) of every sample that it is trained on."""

    seen: list[tuple[int, int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.seen.extend((sample.ref_id, sample.sent_id) for sample in data_samples)
        return dict(loss=self.weight.sum())


def run_and_record(dataset, tmp_path, workers, epochs=10, resume=None):
    """The (ref, sentence) of each epoch of a real run."""
    SentenceRecorder.seen = []
    runner = Runner(
        model=dict(type='SentenceRecorder'),
        work_dir=str(tmp_path / f'run{workers}{epochs}{bool(resume)}'),
        train_dataloader=dict(
            batch_size=4,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=dataset,
            sampler=dict(type='EpochSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            sampler_seed=dict(type='DistSamplerSeedHook'),
            checkpoint=dict(type='CheckpointHook', interval=1),
        ),
        custom_hooks=[dict(type='EpochSeedHook'), dict(type='SafeCheckpointHook')],
        randomness=dict(seed=3),
        default_scope='mmseg',
        load_from=resume,
        resume=resume is not None,
        log_level='ERROR',
        experiment_name=f'truth_1_{tmp_path.name}_{workers}_{epochs}_{bool(resume)}',
    )
    runner.train()
    size = len(runner.train_dataloader.dataset)
    seen = SentenceRecorder.seen
    return [sorted(seen[start : start + size]) for start in range(0, len(seen), size)]


def wrapped(kind, data, steps):
    one = dict(type='ReferringDataset', **data, split='train', pipeline=steps)
    return {
        'repeat': dict(type='RepeatDataset', times=2, dataset=one),
        'concat': dict(type='ConcatDataset', datasets=[one, one]),
        'nested': dict(
            type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[one, one])
        ),
        'repeat twice': dict(
            type='RepeatDataset', times=2, dataset=dict(type='RepeatDataset', times=2, dataset=one)
        ),
    }[kind]


@pytest.mark.parametrize('kind', ['repeat', 'concat', 'nested', 'repeat twice'])
def test_truth_1_draws_change_per_epoch_and_copy_inside_any_wrapper(
    write_data, pipeline, tmp_path, kind
):
    dataset = wrapped(kind, write_data(), pipeline)
    alone = run_and_record(dataset, tmp_path, workers=0)
    copies = 2 if kind in ('repeat', 'concat') else 4
    drawn = [[sent for ref, sent in epoch if ref == 1] for epoch in alone]  # it has 3 sentences
    assert all(len(epoch) == copies for epoch in drawn)
    assert {sent for epoch in drawn for sent in epoch} == {10, 11, 12}
    assert any(len(set(epoch)) > 1 for epoch in drawn)  # copies of one epoch draw apart
    assert len({tuple(epoch) for epoch in drawn}) > 1  # epochs draw apart
    expected = [  # item 0 at its places in the outermost dataset, which has 4 items per copy
        sorted(10 + draw_sentence(3, 3, epoch, 0, 4 * copy) for copy in range(copies))
        for epoch in range(10)
    ]
    assert drawn == expected


def test_truth_1_workers_and_resuming_do_not_change_the_draws(write_data, pipeline, tmp_path):
    dataset = wrapped('repeat', write_data(), pipeline)
    alone = run_and_record(dataset, tmp_path, workers=0)
    assert run_and_record(dataset, tmp_path, workers=2) == alone
    run_and_record(dataset, tmp_path, workers=0, epochs=3)
    checkpoint = str(tmp_path / 'run03False' / 'epoch_3.pth')
    assert run_and_record(dataset, tmp_path, workers=0, resume=checkpoint) == alone[3:]


@DATASETS.register_module(force=True)
class LookingUp(torch.utils.data.Subset):
    """A wrapper that looks the index up in a list, as ClassBalancedDataset does."""

    metainfo: dict = {}

    def __init__(self, dataset: dict) -> None:
        super().__init__(DATASETS.build(dataset), [0, 0, 1])


def test_truth_1_a_wrapper_that_loses_the_epoch_is_an_error(write_data, pipeline, tmp_path):
    one = dict(type='ReferringDataset', **write_data(), split='train', pipeline=pipeline)
    with pytest.raises(ConfigError, match='looks the index up in a list and loses the epoch'):
        run_and_record(dict(type='LookingUp', dataset=one), tmp_path, workers=0)
