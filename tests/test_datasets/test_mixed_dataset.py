# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mixed training data: images held out anywhere are gone, and epochs reach every part."""

import pytest
from mmseg.registry import DATASETS

from magnet_mm.datasets import EpochIndex, ReferringDataset
from magnet_mm.datasets.sentence_sampling import draw_sentence
from magnet_mm.errors import ConfigError


@pytest.fixture
def two_datasets(write_data, refs):
    """`one` holds out image 2; `two` holds out image 3; both train on images 1, 2 and 3."""
    for ref in refs:
        ref['split'] = {4: 'val', 5: 'val'}.get(ref['ref_id'], 'train')
    one = write_data(refs, name='one')
    for ref in refs:
        ref['split'] = 'testA' if ref['ref_id'] in (6, 8) else 'train'
    two = write_data(refs, name='two')
    return [dict(type='ReferringDataset', **data, split='train') for data in (one, two)]


def _kept(dataset) -> list[tuple[str, int]]:
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [(info['dataset_name'], info['ref_id']) for info in infos]


def test_held_out_images_of_every_dataset_are_removed(two_datasets):
    alone = [
        ReferringDataset(**{k: v for k, v in one.items() if k != 'type'}) for one in two_datasets
    ]
    assert [name_ref[1] for name_ref in _kept(alone[0])] == [1, 2, 3, 6, 7, 8]
    assert [name_ref[1] for name_ref in _kept(alone[1])] == [1, 2, 3, 4, 5, 7]
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=two_datasets))
    assert _kept(mixed) == [(name, ref) for name in ('one', 'two') for ref in (1, 2, 3, 7)]


def test_further_exclusions(two_datasets):
    root, refs_file = two_datasets[1]['data_root'], two_datasets[1]['refs_file']
    mixed = DATASETS.build(
        dict(
            type='MixedReferringDataset',
            datasets=two_datasets[:1],
            exclude=[dict(data_root=root, refs_file=refs_file)],
        )
    )
    assert _kept(mixed) == [('one', ref) for ref in (1, 2, 3, 7)]


def test_epochs_reach_the_parts(two_datasets):
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=two_datasets))
    raws = ['the Red square ', 'left square', 'square at left']
    for epoch in range(10):
        for offset in (0, 4):  # ref 1 of each dataset; its item there is 0
            info = mixed[EpochIndex(offset, epoch, 3)]
            assert info['expression'] == raws[draw_sentence(3, 3, epoch, 0, offset)]
            assert info['dataset_name'] == ('one' if offset == 0 else 'two')


def test_lazy_init_reads_nothing_until_used(two_datasets):
    two_datasets[0]['data_root'] = '/nowhere'
    two_datasets[1]['exclude'] = []
    mixed = DATASETS.build(
        dict(type='MixedReferringDataset', datasets=two_datasets, lazy_init=True)
    )
    with pytest.raises(ValueError, match='/nowhere'):
        len(mixed)


def test_only_training_configs(two_datasets):
    with pytest.raises(ConfigError, match='empty'):
        DATASETS.build(dict(type='MixedReferringDataset', datasets=[]))
    with pytest.raises(ConfigError, match='test_mode'):
        tests = [dict(one, test_mode=True) for one in two_datasets]
        DATASETS.build(dict(type='MixedReferringDataset', datasets=tests))
