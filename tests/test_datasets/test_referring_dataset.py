# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Items, draws, controls, exclusion and errors of the dataset, through the shipped pipeline."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from PIL import Image

from magnet_mm.datasets import EpochIndex, ReferringDataset
from magnet_mm.datasets.sentence_sampling import draw_sentence
from magnet_mm.errors import ConfigError, DataError


def _image_path(data: dict, image: int) -> str:
    return os.path.join(
        data['data_root'], data['data_prefix']['img_path'], f'COCO_train2014_{image}.jpg'
    )


@pytest.mark.parametrize('images', ['images/mscoco/images/train2014', 'train2014'])
@pytest.mark.parametrize('serialize', [True, False])
def test_test_items_are_every_sentence(write_data, pipeline, images, serialize):
    data = write_data(images=images)
    dataset = DATASETS.build(
        dict(
            type='ReferringDataset',
            **data,
            split='val',
            test_mode=True,
            pipeline=pipeline,
            serialize_data=serialize,
        )
    )
    assert len(dataset) == 4
    keys = [
        (dataset.get_data_info(i)['ref_id'], dataset.get_data_info(i)['sent_id']) for i in range(4)
    ]
    assert keys == [(4, 40), (4, 41), (5, 50), (6, 60)]
    sample = dataset[1]['data_samples']
    assert sample.expression == 'box below' and sample.kind == 'place'
    assert (sample.ref_id, sample.sent_id, sample.img_id, sample.sample_idx) == (4, 41, 2, 1)
    assert (sample.dataset_name, sample.split) == ('refcoco', 'val')
    assert sample.img_path == _image_path(data, 2)
    assert (sample.ori_shape, sample.img_shape) == ((30, 40), (12, 16))
    assert sample.scale_factor == (0.4, 0.4)


def test_packed_sample_has_pixels_tokens_and_mask(write_data, pipeline):
    data = write_data()
    packed = ReferringDataset(**data, split='train', pipeline=pipeline, indices=[0])[0]
    image = Image.open(_image_path(data, 1)).convert('RGB')
    resized = np.array(image.resize((16, 12), Image.Resampling.BILINEAR))
    assert packed['inputs'].dtype == torch.uint8 and packed['inputs'].shape == (3, 12, 16)
    np.testing.assert_array_equal(packed['inputs'].numpy()[::-1].transpose(1, 2, 0), resized)
    sample = packed['data_samples']
    assert sample.gt_rle['size'] == [30, 40] and isinstance(sample.gt_rle['counts'], bytes)
    mask = np.zeros((30, 40), np.uint8)
    mask[3:13, 2:12] = 1
    expected = np.array(Image.fromarray(mask).resize((16, 12), Image.Resampling.NEAREST))
    assert sample.gt_sem_seg.data.dtype == torch.uint8
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), expected)
    expected_ids = {
        'the Red square ': [2, 9, 5, 6, 3, 0, 0, 0],
        'left square': [2, 8, 6, 3, 0, 0, 0, 0],
        'square at left': [2, 6, 1, 8, 3, 0, 0, 0],
    }
    assert sample.input_ids.tolist() == expected_ids[sample.expression]
    assert sample.attention_mask.tolist() == [int(i > 0) for i in sample.input_ids]


def test_overlap_of_polygon_parts_stays_in_the_mask(write_data, pipeline):
    pipeline[2]['scale'] = (40, 30)
    dataset = ReferringDataset(**write_data(), split='testA', test_mode=True, pipeline=pipeline)
    expected = np.zeros((30, 40), np.uint8)
    expected[10:20, 20:30] = 1
    expected[15:25, 25:35] = 1
    mask = dataset[0]['data_samples'].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(mask, expected)


def test_training_draws_one_sentence_per_epoch(write_data):
    dataset = ReferringDataset(**write_data(), split='train')
    assert len(dataset) == 4
    raws = ['the Red square ', 'left square', 'square at left']
    for epoch in range(20):
        info = dataset.get_data_info(EpochIndex(0, epoch, 9))
        choice = draw_sentence(3, 9, epoch, 0)
        assert info['expression'] == raws[choice]
        assert (info['sent_id'], info['kind']) == (
            10 + choice,
            ('attribute', 'place', 'relation')[choice],
        )
        assert 'sentences' not in info and type(info['sample_idx']) is int
    drawn = {dataset.get_data_info(EpochIndex(0, epoch, 9))['expression'] for epoch in range(20)}
    assert drawn == set(raws)
    assert dataset.get_data_info(0) == dataset.get_data_info(EpochIndex(0, 0, 0))
    # the two refs of annotation 11 stay apart
    assert dataset.get_data_info(1)['expression'] == 'same object, another ref'
    assert dataset.get_data_info(0)['ann_id'] == dataset.get_data_info(1)['ann_id'] == 11


def test_shuffled_control(write_data):
    dataset = ReferringDataset(**write_data(), split='val', expressions='shuffled', test_mode=True)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    # image 2: objects 21 (two sentences) and 22 (one); image 3: a single object
    assert [(info['ref_id'], info['expression']) for info in infos] == [
        (4, 'upper box'),
        (5, 'lower box'),
    ]
    assert {info['split'] for info in infos} == {'val_shuffled'}


def test_left_out_items_are_counted_once_in_the_log(write_data, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'magnet_mm.datasets.referring_dataset.print_log', lambda text, **_: lines.append(text)
    )
    ReferringDataset(**write_data(), split='val_shuffled', test_mode=True)
    assert len(lines) == 1
    assert lines[0].startswith('refcoco val_shuffled: 2 of 4 items left out')


def test_blank_control(write_data, pipeline):
    dataset = ReferringDataset(**write_data(), split='val_blank', test_mode=True, pipeline=pipeline)
    assert len(dataset) == 4
    sample = dataset[2]['data_samples']
    assert sample.expression == '' and sample.split == 'val_blank' and sample.sent_id == 50
    assert sample.input_ids.tolist() == [2, 3, 0, 0, 0, 0, 0, 0]
    assert sample.attention_mask.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_controls_only_in_test_mode_and_consistent(write_data):
    data = write_data()
    with pytest.raises(ConfigError, match='test_mode=True'):
        ReferringDataset(**data, split='val', expressions='blank')
    with pytest.raises(ConfigError, match='test_mode=True'):
        ReferringDataset(**data, split='val_shuffled')
    with pytest.raises(ConfigError, match='contradict'):
        ReferringDataset(**data, split='val_blank', expressions='shuffled', test_mode=True)
    with pytest.raises(ConfigError, match='"others" is unknown'):
        ReferringDataset(**data, split='val', expressions='others', test_mode=True)


def test_shuffled_needs_two_objects(write_data, refs):
    data = write_data([ref for ref in refs if ref['ref_id'] in (6, 8)])
    with pytest.raises(DataError, match='nothing to shuffle'):
        ReferringDataset(**data, split='val_shuffled', test_mode=True)


def test_excluded_images_are_removed(write_data):
    data = write_data()
    entry = dict(refs_file=data['refs_file'], splits=['val'])
    dataset = ReferringDataset(**data, split='train', exclude=[entry])
    assert [dataset.get_data_info(i)['ref_id'] for i in range(len(dataset))] == [1, 2, 3]
    with pytest.raises(DataError, match='every ref of split "train" is on an excluded image'):
        ReferringDataset(**data, split='train', exclude=[dict(refs_file=data['refs_file'])])


def test_unreadable_images_are_errors_not_replaced(write_data, pipeline):
    data = write_data()
    dataset = ReferringDataset(**data, split='train', pipeline=pipeline)
    path = _image_path(data, 1)
    content = open(path, 'rb').read()
    for damaged in (content[: len(content) // 2], b'', b'no image'):
        with open(path, 'wb') as file:
            file.write(damaged)
        with pytest.raises(DataError, match=r'2014_1.jpg \(ref 3\): the image cannot be read'):
            dataset[2]
    os.remove(path)
    with pytest.raises(DataError, match=r'1.jpg \(ref 1\): the image cannot'):
        dataset[0]
    assert dataset[3]['data_samples'].ref_id == 8  # another image is fine


def test_image_of_another_size(write_data, pipeline):
    data = write_data()
    Image.new('RGB', (41, 30)).save(_image_path(data, 3))
    dataset = ReferringDataset(**data, split='train', pipeline=pipeline)
    with pytest.raises(DataError, match=r'3.jpg is \(30, 41\).*says \(30, 40\) \(ref 8\)'):
        dataset[3]


def test_a_transform_that_returns_none_is_an_error(write_data, pipeline):
    dataset = ReferringDataset(
        **write_data(), split='train', pipeline=[*pipeline[:1], lambda results: None]
    )
    with pytest.raises(DataError, match=r'\(ref 1 of .*returned None'):
        dataset[0]


def test_other_errors_keep_their_type_and_name_the_sample(write_data, pipeline):
    def broken(results):
        raise ZeroDivisionError('oops')

    dataset = ReferringDataset(**write_data(), split='train', pipeline=[pipeline[0], broken])
    with pytest.raises(ZeroDivisionError) as caught:
        dataset[0]
    assert 'ref 1 of' in caught.value.__notes__[0]


def test_tokenizer_is_loaded_with_the_annotations(write_data, tmp_path, pipeline):
    pipeline[3]['tokenizer'] = str(tmp_path)  # a directory without a vocabulary
    dataset = ReferringDataset(**write_data(), pipeline=pipeline, lazy_init=True)
    with pytest.raises(ConfigError, match='BERT_PATH'):
        dataset.full_init()


def test_dataset_pickles_for_spawned_workers(write_data, pipeline):
    dataset = ReferringDataset(**write_data(), split='train', pipeline=pipeline)
    copy = pickle.loads(pickle.dumps(dataset))
    index = EpochIndex(0, 3, 1)
    assert copy[index]['data_samples'].expression == dataset[index]['data_samples'].expression


def test_metainfo(write_data):
    meta = ReferringDataset(**write_data()).metainfo
    assert meta['classes'] == ('background', 'referred object') and len(meta['palette']) == 2
