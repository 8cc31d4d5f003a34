# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The epoch travels with the index, through batches and workers, and decides the sentence."""

import copy
import pickle

import pytest
import torch
from mmengine.dataset import ConcatDataset, DefaultSampler, RepeatDataset
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader, Subset

from magnet_mm.datasets import (
    EpochIndex,
    EpochSampler,
    ImageSampler,
    ImageWiseSampler,
    ReferringDataset,
)
from magnet_mm.errors import ConfigError


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


def _images_in_order(indices: list, names: str) -> str:
    return ''.join(names[index] for index in indices)


def test_every_item_once_an_epoch_and_images_together():
    names = 'abacbdaecb'
    sampler = DATA_SAMPLERS.build(
        dict(type='ImageWiseSampler', dataset=Images(names), shuffle=True, seed=4)
    )
    orders, first_of_a = [], set()
    for epoch in range(6):
        sampler.set_epoch(epoch)
        indices = list(sampler)
        assert sorted(indices) == list(range(10)) and len(sampler) == 10
        assert {(type(i), i.epoch, i.seed, i.position == i) for i in indices} == {
            (EpochIndex, epoch, 4, True)
        }
        seen = _images_in_order(indices, names)
        assert all(seen.count(name * names.count(name)) == 1 for name in 'abcde')
        orders.append(seen)
        first_of_a.add(next(index for index in indices if names[index] == 'a'))
    assert len(set(orders)) > 3 and len(first_of_a) > 1  # images, and the items of one
    again = ImageWiseSampler(Images(names), shuffle=True, seed=4)  # a resumed run
    again.set_epoch(5)
    assert _images_in_order(again, names) == orders[5]
    assert list(ImageWiseSampler(Images('babcab'), shuffle=False, seed=0)) == [0, 2, 5, 1, 4, 3]


@pytest.mark.parametrize(
    ('round_up', 'lengths'), [(True, [2, 2, 2]), (False, [2, 2, 1])], ids=['padded', 'as it is']
)
def test_ranks_share_an_epoch(monkeypatch, round_up, lengths):
    parts = []
    for rank in range(3):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 3))
        sampler = ImageWiseSampler(Images('ababa'), shuffle=True, seed=1, round_up=round_up)
        parts.append(list(sampler))
        assert len(sampler) == len(parts[-1])
    assert list(map(len, parts)) == lengths
    order = sum(parts, [])
    assert sorted(order[:5]) == [0, 1, 2, 3, 4] and order[5:] == order[: len(order) - 5]


@pytest.mark.parametrize(
    'wrap', [lambda data: RepeatDataset(data, 2), lambda data: ConcatDataset([data, data])]
)
def test_wrapped_datasets_are_grouped_too(dataset, wrap):
    whole = wrap(dataset)
    indices = list(ImageWiseSampler(whole, shuffle=True, seed=3))
    assert sorted(indices) == list(range(8))
    paths = [dataset.get_data_info(index % 4)['img_path'] for index in indices]
    changes = sum(a != b for a, b in zip(paths, paths[1:], strict=False))
    assert changes == len(set(paths)) - 1
    assert whole[indices[0]]['data_samples'].img_path == paths[0]


def test_a_wrapper_that_hides_the_images_is_refused(dataset):
    with pytest.raises(ConfigError, match='Subset does not say on which image'):
        ImageWiseSampler(Subset(dataset, [0, 2]))
    with pytest.raises(ConfigError, match='list does not say'):
        list(ImageSampler([1, 2]))


def test_image_wise_batches_of_workers_repeat_those_of_none(dataset):
    def drawn(workers):
        sampler = ImageWiseSampler(dataset, shuffle=True, seed=11)
        loader = DataLoader(
            dataset, batch_size=3, sampler=sampler, num_workers=workers, collate_fn=list
        )
        return [
            (sample['data_samples'].ref_id, sample['data_samples'].sent_id, sample['inputs'])
            for batch in loader
            for sample in batch
        ]

    for ours, expected in zip(drawn(2), drawn(0), strict=True):
        assert ours[:2] == expected[:2]
        assert torch.equal(ours[2], expected[2])


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
