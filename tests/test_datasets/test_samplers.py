# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The epoch travels with the index, through batches and workers, and decides the sentence."""

import copy
import pickle

import pytest
from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader

from magnet_mm.datasets import EpochIndex, EpochSampler, ImageSampler, ReferringDataset


def test_epoch_index_is_an_int_and_pickles():
    index = EpochIndex(7, epoch=2, seed=5)
    assert index == 7 and isinstance(index, int) and [0] * 7 + [1] == [0] * index + [1]
    for again in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert type(again) is EpochIndex and (again, again.epoch, again.seed) == (7, 2, 5)
    like = EpochIndex.like(index, 3)
    assert (like, like.epoch, like.seed) == (3, 2, 5)
    plain = EpochIndex.like(7, 3)
    assert (plain, plain.epoch, plain.seed) == (3, 0, 0)


def test_same_order_as_the_default_sampler():
    data = list(range(11))
    sampler = DATA_SAMPLERS.build(dict(type='EpochSampler', dataset=data, shuffle=True, seed=4))
    default = DefaultSampler(data, shuffle=True, seed=4)
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        default.set_epoch(epoch)
        indices = list(sampler)
        assert indices == list(default) and sorted(indices) == data
        assert {(index.epoch, index.seed) for index in indices} == {(epoch, 4)}
    assert len(sampler) == 11


def test_epoch_is_fixed_when_iteration_starts():
    sampler = EpochSampler(range(3), seed=0)
    iterator = iter(sampler)
    sampler.set_epoch(1)
    assert [index.epoch for index in iterator] == [0, 0, 0]


def test_batch_sampler_keeps_the_epoch():
    sampler = EpochSampler(range(5), seed=2)
    sampler.set_epoch(6)
    batches = list(BatchSampler(sampler, batch_size=2, drop_last=False))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert {index.epoch for batch in batches for index in batch} == {6}


def _drawn(dataset, workers: int, persistent: bool, epochs: int = 4) -> list[list[tuple]]:
    sampler = EpochSampler(dataset, shuffle=True, seed=11)
    loader = DataLoader(
        dataset,
        batch_size=3,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=persistent,
        collate_fn=list,
    )
    drawn = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        samples = [one['data_samples'] for batch in loader for one in batch]
        drawn.append([(sample.ref_id, sample.sent_id, sample.expression) for sample in samples])
    return drawn


@pytest.fixture
def dataset(write_data, pipeline):
    """Four refs, two of them with several sentences."""
    return ReferringDataset(**write_data(), split='train', pipeline=pipeline)


@pytest.mark.parametrize('persistent', [False, True])
def test_workers_do_not_change_the_draws(dataset, persistent):
    alone = _drawn(dataset, 0, False)
    assert _drawn(dataset, 2, persistent) == alone
    by_epoch = [sorted(epoch) for epoch in alone]
    assert len({tuple(epoch) for epoch in by_epoch}) > 1  # the sentences change between epochs


def test_errors_of_workers_arrive_as_they_are(dataset, tmp_path):
    from magnet_mm.errors import DataError

    (tmp_path / 'images/mscoco/images/train2014/COCO_train2014_3.jpg').unlink()
    with pytest.raises(DataError, match='ref 8 of'):
        _drawn(dataset, 1, False, epochs=1)


class Images:
    """A dataset whose items are on the named images."""

    def __init__(self, names: str) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def get_data_info(self, index: int) -> dict:
        return dict(img_path=self.names[index])


def test_items_of_an_image_follow_each_other():
    assert list(ImageSampler(Images('babcab'))) == [0, 2, 5, 1, 4, 3]


def test_ranks_get_neighbours_and_every_item(monkeypatch):
    parts = []
    for rank in range(3):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 3))
        parts.append(list(ImageSampler(Images('ababa'))))
    assert parts == [[0, 2], [4, 1], [3, 0]]  # the padding is the last item of the last rank


def test_truth_1_an_index_keeps_its_epoch_through_arithmetic():
    index = EpochIndex(37, epoch=2, seed=5)
    for found, value in ((index % 10, 7), (index - 30, 7), (index // 5, 7), (index % 10 % 4, 3)):
        assert type(found) is EpochIndex and found == value
        assert (found.epoch, found.seed, found.position) == (2, 5, 37)
    assert (3 + index, (3 + index).position) == (40, 37)
    assert type(index + 0.5) is float and type(index * 2) is int
    again = pickle.loads(pickle.dumps(index % 10))
    assert (again, again.epoch, again.seed, again.position) == (7, 2, 5, 37)


def test_the_old_name_of_the_sampler_warns():
    with pytest.warns(DeprecationWarning, match='EpochSampler'):
        sampler = DATA_SAMPLERS.build(dict(type='VisitSampler', dataset=[1, 2]))
    assert type(sampler) is EpochSampler
