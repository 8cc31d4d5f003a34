# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mixed training data: images held out anywhere are gone, and epochs reach every part."""

import json
import pickle

import pytest
from mmseg.registry import DATASETS

from magnet_mm.data_tools.conversion import refcoco_to_jsonl
from magnet_mm.datasets import EpochIndex, ReferringDataset, referring_dataset
from magnet_mm.datasets.sentence_sampling import draw_sentence
from magnet_mm.errors import ConfigError, DataError


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


def test_truth_3_ids_are_compared_inside_one_image_collection(write_data, refs, capsys):
    """Two unrelated collections use the ids 1, 2, 3; nothing of one is held out by the other."""
    for ref in refs:
        ref['split'] = {4: 'val', 5: 'val'}.get(ref['ref_id'], 'train')
    one = dict(write_data(refs, name='one', images='photos'), split='train')
    for ref in refs:
        ref['split'] = 'testA' if ref['ref_id'] in (6, 8) else 'train'
    two = dict(write_data(refs, name='two', images='scans'), split='train')
    parts = [dict(type='ReferringDataset', **data) for data in (one, two)]
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=parts))
    assert _kept(mixed) == [('one', ref) for ref in (1, 2, 3, 6, 7, 8)] + [
        ('two', ref) for ref in (1, 2, 3, 4, 5, 7)
    ]
    declared = [dict(part, image_collection='coco') for part in parts]
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=declared))
    assert _kept(mixed) == [(name, ref) for name in ('one', 'two') for ref in (1, 2, 3, 7)]


def test_truth_3_the_number_of_held_out_refs_is_logged(two_datasets, monkeypatch):
    said = []
    monkeypatch.setattr(referring_dataset, 'print_log', lambda text, **more: said.append(text))
    DATASETS.build(dict(type='MixedReferringDataset', datasets=two_datasets))
    assert [text.partition(',')[0] for text in said] == [
        'one train: 2 of 6 refs removed', 'two train: 2 of 6 refs removed',
    ]  # fmt: skip


def test_truth_3_a_further_exclusion_counts_in_its_own_collection(write_data, refs):
    one = write_data(refs, name='one', images='photos')
    two = write_data(refs, name='two', images='scans')
    parts = [dict(type='ReferringDataset', **data, split='train') for data in (one, two)]
    parts = [dict(part, image_collection=name) for part, name in zip(parts, 'ab', strict=True)]
    for ref in refs:
        ref['split'] = 'val' if ref['ref_id'] == 8 else 'train'
    third = write_data(refs, name='third', images='scans')
    entry = {key: third[key] for key in ('data_root', 'refs_file')}
    for part, name in zip(parts, ('one', 'two'), strict=True):
        part.update(refs_file=third['refs_file'], dataset_name=name)
    mixed = DATASETS.build(
        dict(
            type='MixedReferringDataset',
            datasets=parts,
            exclude=[dict(entry, splits=['train'], image_collection='c')],
        )
    )
    # of the 7 refs, the one on image 3 is held out by both themselves
    assert _kept(mixed) == [(name, ref) for name in ('one', 'two') for ref in (1, 2, 3, 4, 5, 7)]


@pytest.fixture
def as_jsonl(write_data, refs, tmp_path):
    """RefCOCO files and JSON lines that a converter made of all their splits."""
    for ref in refs:  # image 2: val; images 1 and 3: train
        ref['split'] = 'val' if ref['image_id'] == 2 else 'train'
    data = write_data(refs)
    out = tmp_path / 'own.jsonl'
    refcoco_to_jsonl(
        tmp_path / data['ann_file'],
        tmp_path / data['refs_file'],
        out,
        image_prefix=data['data_prefix']['img_path'],
    )
    own = dict(
        type='JsonLinesReferringDataset',
        data_root=str(tmp_path),
        ann_file='own.jsonl',
        dataset_name='own',
    )
    return dict(type='ReferringDataset', **data), own


@pytest.mark.parametrize('with_ids', [True, False])
def test_truth_4_json_lines_hold_out_and_are_held_out(as_jsonl, tmp_path, refs, with_ids):
    coco, own = as_jsonl
    lines = [json.loads(line) for line in (tmp_path / 'own.jsonl').read_text().splitlines()]
    for line in lines:  # the JSON lines are tested on image 3, the refs on image 2
        line['split'] = 'val' if line['image'].endswith('_3.jpg') else 'train'
        if not with_ids:
            del line['image_id']
    (tmp_path / 'own.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    for ref in refs:  # the file's names say which image it is, as in RefCOCO
        ref['file_name'] = f'COCO_train2014_{ref["image_id"]}_{ref["ann_id"]}.jpg'
    (tmp_path / coco['refs_file']).write_bytes(pickle.dumps(refs, 2))
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=[coco, own]))
    assert _kept(mixed) == [(name, ref) for name in ('refcoco', 'own') for ref in (1, 2, 3, 7)]


def test_truth_4_exclude_takes_json_lines(as_jsonl, tmp_path):
    coco, own = as_jsonl
    coco = {key: value for key, value in coco.items() if key != 'type'}
    for splits, kept in ((None, [1, 2, 3, 6, 7, 8]), (['train'], None)):
        entry = dict(refs_file='own.jsonl', splits=splits)
        if kept is None:
            with pytest.raises(DataError, match='every ref of split "train" is on an excluded'):
                ReferringDataset(**coco, exclude=[entry])
        else:
            dataset = ReferringDataset(**coco, exclude=[entry])
            assert [ref for _, ref in _kept(dataset)] == kept
    lines = (tmp_path / 'own.jsonl').read_text().splitlines()
    val = [{k: v for k, v in json.loads(line).items() if k != 'split'} for line in lines[-2:]]
    (tmp_path / 'val.jsonl').write_text('\n'.join(map(json.dumps, val)))
    dataset = ReferringDataset(**coco, exclude=[dict(refs_file='val.jsonl')])  # the whole file
    images = {line['image'][-5] for line in val}
    kept = [dataset.get_data_info(i)['img_path'][-5] for i in range(len(dataset))]
    assert images and not images & set(kept)


@pytest.mark.parametrize('name', ['grefs(unc).p', 'grefs(unc).json'])
def test_truth_5_a_mix_with_grefcoco_in_either_form(write_data, refs, tmp_path, name):
    plain = dict(type='ReferringDataset', **write_data(refs), split='train')
    for ref in refs:
        ref.update(ann_id=[ref['ann_id']], split='val' if ref['image_id'] == 3 else 'train')
    path = tmp_path / 'grefcoco' / name
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(refs, 2) if name.endswith('.p') else json.dumps(refs).encode())
    general = dict(
        plain,
        type='GeneralizedReferringDataset',
        refs_file=f'grefcoco/{name}',
        dataset_name='grefcoco',
        exclude=[],
    )
    plain['exclude'] = [dict(refs_file=f'grefcoco/{name}', splits=['val'])]
    general_alone = DATASETS.build({**general, 'exclude': [dict(refs_file=f'grefcoco/{name}')]})
    assert [ref for _, ref in _kept(general_alone)] == [1, 2, 3, 4, 5, 7]
    dataset = DATASETS.build(plain)
    assert [ref for _, ref in _kept(dataset)] == [1, 2, 3]  # ref 8 is on image 3
    mixed = DATASETS.build(dict(type='MixedReferringDataset', datasets=[general]))
    assert len(mixed) == 6
