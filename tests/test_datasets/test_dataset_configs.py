# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The shipped data configs read real files, in both layouts, by config alone."""

import os
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATA_SAMPLERS, DATASETS

from magnet_mm.errors import DataError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'
STEMS = ['refcoco', 'refcocoplus', 'refcocog-umd', 'refcocog-google', 'mixed']
FOLDERS = {
    'refcoco': ('refcoco', 'unc', ['val', 'testA', 'testB']),
    'refcocoplus': ('refcoco+', 'unc', ['val', 'testA', 'testB']),
    'refcocog-umd': ('refcocog', 'umd', ['val', 'test']),
    'refcocog-google': ('refcocog', 'google', ['val']),
}


def _load(name: str, monkeypatch, root: Path, bert: str) -> Config:
    monkeypatch.setenv('REFER_ROOT', str(root))
    monkeypatch.setenv('REFSHAPES_ROOT', str(root))
    monkeypatch.setenv('BERT_PATH', bert)
    return Config.fromfile(CONFIGS / f'{name}.py')


@pytest.fixture(params=['', '_mmdet-layout'])
def layout(request, write_data, refs, tmp_path) -> tuple[str, Path]:
    """All four benchmarks in one of the two layouts; image 1 alone is held out nowhere."""
    images = 'train2014' if request.param else 'images/mscoco/images/train2014'
    refs = [ref for ref in refs if ref['split'] != 'testA']
    for folder, by, _ in FOLDERS.values():
        write_data(refs, name=folder, images=images)
        if by != 'unc':
            shutil.copy(tmp_path / folder / 'refs(unc).p', tmp_path / folder / f'refs({by}).p')
    (tmp_path / 'refcocog' / 'refs(unc).p').unlink()
    return request.param, tmp_path


@pytest.mark.parametrize('stem', STEMS)
def test_configs_read_their_files(layout, stem, monkeypatch, vocabulary):
    suffix, root = layout
    config = _load(stem + suffix, monkeypatch, root, vocabulary)
    train = DATASETS.build(config.train_dataloader.dataset)
    sampler = DATA_SAMPLERS.build(dict(config.train_dataloader.sampler, dataset=train, seed=1))
    sample = train[next(iter(sampler))]
    assert sample['inputs'].shape == (3, 480, 480)
    assert sample['data_samples'].input_ids.shape == (20,)
    validation = DATASETS.build(config.val_dataloader.dataset)
    assert len(validation) == 4 and validation.test_mode
    assert validation[3]['data_samples'].gt_sem_seg.shape == (480, 480)
    if stem == 'mixed':
        names = [train.get_data_info(i)['dataset_name'] for i in range(len(train))]
        images = {train.get_data_info(i)['img_id'] for i in range(len(train))}
        assert names == [
            name for name in ('refcoco', 'refcocoplus', 'refcocog-umd') for _ in range(3)
        ]
        assert images == {1}
    else:
        folder, by, splits = FOLDERS[stem]
        assert train.refs_file == os.path.join(str(root), folder, f'refs({by}).p')
        assert len(train) == 4 and config.test_splits == splits
        assert sample['data_samples'].dataset_name == validation.dataset_name == stem


def test_mixed_also_excludes_the_google_file(layout, monkeypatch, vocabulary):
    suffix, root = layout
    (root / 'refcocog' / 'refs(google).p').unlink()
    config = _load('mixed' + suffix, monkeypatch, root, vocabulary)
    with pytest.raises(DataError, match=r'refs\(google\).p: the refs file cannot be read'):
        DATASETS.build(config.train_dataloader.dataset)


def test_refshapes_config(write_data, monkeypatch, tmp_path):
    write_data(name='refshapes')
    config = _load('refshapes', monkeypatch, tmp_path, 'not used')
    train = DATASETS.build(config.train_dataloader.dataset)
    assert len(train) == 4 and train[0]['inputs'].shape == (3, 80, 80)
    assert config.test_splits[:3] == ['val', 'testA', 'testB']
    for control, length in (('val_shuffled', 2), ('val_blank', 4)):
        config.test_dataloader.dataset.split = control
        assert len(DATASETS.build(config.test_dataloader.dataset)) == length


PLUGINS = CONFIGS.parent / 'plugins'
WHOLE = [
    path for path in sorted(CONFIGS.glob('*.py')) if path.stem != 'grefshapes'
]  # its keys alone


EMPTY_ALONE = dict(type='GeneralizedReferringMetric', min_target_pixels=1, count_ignored=False)
METRICS = {
    'grefcoco': dict(type='GeneralizedReferringMetric', min_target_pixels=50),
    'ref-zom': dict(EMPTY_ALONE, protocol='ref-zom'),
    'rrefcoco': dict(EMPTY_ALONE, protocol='r-refcoco'),
    'phrasecut': dict(type='ReferringMetric', rule='phrasecut'),
}


@pytest.mark.parametrize('path', WHOLE, ids=lambda path: path.stem)
def test_common_settings(path):
    config = Config.fromfile(path)
    sampler = dict(type='EpochSampler', shuffle=True)
    on_refshapes = path.stem.startswith('refshapes')
    if on_refshapes:
        sampler = Config.fromfile(PLUGINS / 'image_wise_batches.py').image_wise_batches
    assert config.train_dataloader.sampler == sampler
    metric = METRICS.get(path.stem.partition('_')[0], dict(type='ReferringMetric'))
    assert config.val_evaluator == config.test_evaluator == metric
    for loader in (config.val_dataloader, config.test_dataloader):
        # RefShapes' sentences stand in the order of their images already
        default = dict(type='DefaultSampler', shuffle=False)
        own = dict(type='ImageSampler')
        assert loader.sampler == (default if on_refshapes else own)
        assert loader.dataset.test_mode and loader.dataset.split in config.test_splits
    allowed = {
        'dataset_type', 'data_root', 'train_pipeline', 'test_pipeline', 'train_dataloader',
        'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator', 'test_splits',
        'benchmark', 'coco_layout', 'generalized', 'mixed_prefix', 'own_data', 'special_splits',
    }  # fmt: skip
    assert set(config.keys()) <= allowed  # data and metric only: no key of another kind of base
