# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converters: what goes there and back is the same data, mask by mask."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from pycocotools import mask as coco_mask

from magnet_mm.data_tools.checking import check_root
from magnet_mm.data_tools.conversion import coco_to_jsonl, jsonl_to_refcoco, refcoco_to_jsonl
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.masks import rle_to_mask, segmentation_to_rle
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.datasets.annotations.refs_reader import read_refs
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.errors import DataError
from magnet_mm.refshapes import write_refshapes

TOOLS = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_tools'
IMAGES = 'images/mscoco/images/train2014'
SPLITS = ('train', 'val', 'testA', 'testB')


@pytest.fixture(scope='module')
def refshapes(tmp_path_factory) -> Path:
    """Enough images that polygons, run lengths and compressed run lengths all occur."""
    root = tmp_path_factory.mktemp('conversion') / 'refshapes'
    write_refshapes(root, seed=11, counts={'train': 40, 'val': 6, 'testA': 6, 'testB': 6})
    return root


def files(root: Path) -> tuple[Path, Path]:
    return root / 'refshapes/instances.json', root / 'refshapes/refs(unc).p'


def masks(instances: Path, refs: Path) -> dict[int, tuple]:
    """Split, sentences, image and mask of every ref."""
    found = {}
    for split in SPLITS:
        for record in load_records(str(instances), str(refs), split):
            size = record['height'], record['width']
            rle = segmentation_to_rle(record['segmentation'], *size, 'test')
            sentences = [(s['sent_id'], s['raw'], s['kind']) for s in record['sentences']]
            identity = record['file_name'], record['img_id'], record['ann_id'], split
            found[record['ref_id']] = (identity, sentences, rle_to_mask(rle))
    return found


def test_there_and_back(refshapes, tmp_path):
    jsonl = tmp_path / 'all.jsonl'
    refs = read_refs(str(files(refshapes)[1]))
    assert refcoco_to_jsonl(*files(refshapes), jsonl) == len(refs)
    assert jsonl_to_refcoco(jsonl, tmp_path / 'back', refshapes / IMAGES) == len(refs)
    before = masks(*files(refshapes))
    after = masks(tmp_path / 'back/instances.json', tmp_path / 'back/refs(unc).p')
    assert list(before) == list(after) and len(before) == len(refs)
    for ref_id, (identity, sentences, mask) in before.items():
        assert after[ref_id][:2] == (identity, sentences)
        np.testing.assert_array_equal(after[ref_id][2], mask)
    lines = map(json.loads, jsonl.read_text().splitlines())
    assert {type(line['mask'][0]) for line in lines} == {list, dict}  # polygons, and RLEs


def test_the_datasets_give_the_same_samples(refshapes, tmp_path, pipeline):
    jsonl = tmp_path / 'val.jsonl'
    refcoco_to_jsonl(*files(refshapes), jsonl, ['val'])
    common = dict(test_mode=True, split='val', pipeline=pipeline, dataset_name='x')
    own = DATASETS.build(
        dict(
            common,
            type='JsonLinesReferringDataset',
            data_root=str(tmp_path),
            ann_file='val.jsonl',
            data_prefix=dict(img_path=str(refshapes / IMAGES)),
        )
    )
    original = DATASETS.build(
        dict(
            common,
            type='ReferringDataset',
            data_root=str(refshapes),
            ann_file='refshapes/instances.json',
            refs_file='refshapes/refs(unc).p',
            data_prefix=dict(img_path=IMAGES),
        )
    )
    assert len(own) == len(original) > 6
    for one, other in zip(own, original, strict=True):
        a, b = one['data_samples'], other['data_samples']
        for key in ('expression', 'ref_id', 'sent_id', 'kind', 'split', 'gt_rle', 'img_path'):
            assert a.get(key) == b.get(key), key
        assert (one['inputs'] == other['inputs']).all()
        assert (a.gt_sem_seg.data == b.gt_sem_seg.data).all()
        assert (a.input_ids == b.input_ids).all()


def test_jsonl_with_pngs_and_without_ids(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:4, 2:7] = 1
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.png')
    Image.new('RGB', (8, 6)).save(tmp_path / 'b.png')
    Image.fromarray(mask * 255).save(tmp_path / 'm.png')
    lines = [
        dict(image='a.png', expression='A cup ', mask='m.png', category='cup'),
        dict(image='b.png', expressions=['x', 'y'], mask=[[0, 0, 4, 0, 4, 4, 0, 4]], image_id=5),
        dict(image='a.png', expression='again', mask='m.png', category='cup', ann_id=1),
    ]
    (tmp_path / 'own.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    assert jsonl_to_refcoco(tmp_path / 'own.jsonl', tmp_path / 'out', split='train') == 3
    instances, refs = tmp_path / 'out/instances.json', tmp_path / 'out/refs(unc).p'
    records = load_records(str(instances), str(refs), 'train')
    assert [record['img_id'] for record in records] == [6, 5, 6]
    assert [record['ann_id'] for record in records] == [1, 2, 1]
    rle = segmentation_to_rle(records[0]['segmentation'], 6, 8, 'test')
    np.testing.assert_array_equal(rle_to_mask(rle), mask)
    content = json.loads(instances.read_text())
    assert [category['name'] for category in content['categories']] == ['cup', 'object']
    assert [len(content[key]) for key in ('images', 'annotations')] == [2, 2]
    first = content['annotations'][0]
    assert (first['area'], first['bbox']) == (15.0, [2.0, 1.0, 5.0, 3.0])
    ref = load_plain_pickle(str(refs))[0]
    assert ref['sentences'] == [
        dict(raw='A cup ', sent='a cup', sent_id=0, tokens=['a', 'cup']),
    ]
    assert ref['file_name'] == 'a_1.png' and ref['sent_ids'] == [0]


@pytest.mark.parametrize(
    ('lines', 'split', 'message'),
    [
        ([dict(mask=None)], 'train', 'which RefCOCO files cannot say'),
        ([dict()], None, 'give --split'),
        ([dict(split='val')], 'train', 'leave --split away'),
        ([dict(image='absent.png')], 'train', 'cannot be read'),
        ([dict(image='../a.png')], 'train', 'leads out of'),
        ([dict(ann_id=1), dict(ann_id=1, mask=[0, 0, 2, 0, 2, 2])], 'train', 'its own ann_id'),
        ([dict(image_id=1), dict(image_id=1, image='b.png')], 'train', 'its own image_id'),
    ],
)
def test_what_refcoco_cannot_hold(tmp_path, lines, split, message):
    (tmp_path / 'in').mkdir()
    for name in ('a.png', 'b.png'):
        Image.new('RGB', (8, 6)).save(tmp_path / 'in' / name)
    whole = dict(image='a.png', expression='x', mask=[0, 0, 4, 0, 4, 4])
    text = '\n'.join(json.dumps({**whole, **line}) for line in lines)
    (tmp_path / 'in' / 'own.jsonl').write_text(text)
    with pytest.raises(DataError, match=message):
        jsonl_to_refcoco(tmp_path / 'in' / 'own.jsonl', tmp_path / 'out', split=split)
    assert not (tmp_path / 'out').exists()


def test_nothing_is_overwritten(refshapes, tmp_path):
    jsonl = tmp_path / 'all.jsonl'
    jsonl.write_text('mine')
    with pytest.raises(DataError, match='is not overwritten'):
        refcoco_to_jsonl(*files(refshapes), jsonl)
    assert jsonl.read_text() == 'mine'
    with pytest.raises(DataError, match='is not overwritten'):
        jsonl_to_refcoco(jsonl, refshapes / 'refshapes')


@pytest.fixture
def coco(tmp_path, instances) -> Path:
    """The tiny instances file of the conftest; annotation 12 has two overlapping squares."""
    for annotation in instances['annotations']:
        annotation['category_id'] = 1
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(instances))
    return path


def test_coco_with_sentences(coco, tmp_path, instances):
    sentences = [
        dict(ann_id=11, expression='the left one', split='val', kind='place'),
        dict(ann_id=[11, 12], expressions=['all squares', 'everything']),
        dict(ann_id=[21, 22], expression='both boxes'),
    ]
    (tmp_path / 'said.jsonl').write_text('\n'.join(map(json.dumps, sentences)))
    assert coco_to_jsonl(coco, tmp_path / 'said.jsonl', tmp_path / 'out.jsonl', 'train') == 3
    records = read_jsonl(str(tmp_path / 'out.jsonl'))
    assert [record['split'] for record in records] == ['val', 'train', 'train']
    assert records[0]['sentences'] == [dict(raw='the left one', kind='place', sent_id=0)]
    assert [s['sent_id'] for s in records[1]['sentences']] == [1, 2]
    assert (records[0]['ann_id'], records[0]['img_id']) == (11, 1)
    assert records[0]['category'] == 'thing'
    parts = {a['id']: a['segmentation'] for a in instances['annotations']}
    for record, ids in zip(records, ([11], [11, 12], [21, 22]), strict=True):
        union = np.zeros((30, 40), np.uint8)
        for one in ids:
            union |= rle_to_mask(segmentation_to_rle(parts[one], 30, 40, 'test'))
        rle = segmentation_to_rle(record['segmentation'], 30, 40, 'test')
        np.testing.assert_array_equal(rle_to_mask(rle), union)


def test_coco_with_csv(coco, tmp_path):
    (tmp_path / 'said.csv').write_text(
        'ann_id,expression,split\n11,"left, of two",train\n11 12,all squares,val\n'
    )
    assert coco_to_jsonl(coco, tmp_path / 'said.csv', tmp_path / 'out.jsonl') == 2
    first, second = read_jsonl(str(tmp_path / 'out.jsonl'))
    assert first['sentences'][0]['raw'] == 'left, of two' and first['split'] == 'train'
    assert len(second['segmentation']) == 3 and second['split'] == 'val'


@pytest.mark.parametrize(
    ('sentences', 'message'),
    [
        ('{"ann_id": 99, "expression": "x"}', 'line 1: the COCO file has no annotation 99'),
        ('{"ann_id": [11, 21], "expression": "x"}', 'on different images'),
        ('{"ann_id": [], "expression": "x"}', 'must be a whole number'),
        ('{"ann_id": 11}', 'give "expression"'),
        ('\n{"ann_id"', 'line 2: not valid JSON'),
    ],
)
def test_sentences_that_do_not_fit(coco, tmp_path, sentences, message):
    (tmp_path / 'said.jsonl').write_text(sentences)
    with pytest.raises(DataError, match=message):
        coco_to_jsonl(coco, tmp_path / 'said.jsonl', tmp_path / 'out.jsonl')
    assert not (tmp_path / 'out.jsonl').exists()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('id,text\n1,x\n', 'must name the columns ann_id and expression'),
        ('ann_id,expression\nx,y\n', 'line 2: ann_id'),
    ],
)
def test_csv_that_does_not_fit(coco, tmp_path, text, message):
    (tmp_path / 'said.csv').write_text(text)
    with pytest.raises(DataError, match=message):
        coco_to_jsonl(coco, tmp_path / 'said.csv', tmp_path / 'out.jsonl')


def test_files_that_are_no_coco(tmp_path):
    (tmp_path / 'said.jsonl').write_text('{"ann_id": 1, "expression": "x"}')
    for content, message in (('[]', 'not a COCO instances file'), ('{"images', 'breaks off')):
        (tmp_path / 'coco.json').write_text(content)
        with pytest.raises(DataError, match=message):
            coco_to_jsonl(tmp_path / 'coco.json', tmp_path / 'said.jsonl', tmp_path / 'o.jsonl')


def load_tool(name, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location(f'{name}_tool', TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules.pop('_conversion', None)
    return module.main


def test_the_tools(refshapes, coco, tmp_path, monkeypatch, capsys):
    jsonl, out = str(tmp_path / 'val.jsonl'), str(tmp_path / 'out')
    instances, refs = map(str, files(refshapes))
    to_jsonl = load_tool('refcoco2jsonl', monkeypatch)
    assert to_jsonl([instances, refs, jsonl, '--splits', 'val', '--image-prefix', IMAGES]) == 0
    assert read_jsonl(jsonl)[0]['file_name'].startswith(f'{IMAGES}/COCO_train2014_')
    assert 'lines written' in capsys.readouterr().out
    back = load_tool('jsonl2refcoco', monkeypatch)
    assert back([jsonl, out, '--images', str(refshapes)]) == 0
    assert {ref['split'] for ref in read_refs(f'{out}/refs(unc).p')} == {'val'}
    assert back([jsonl, out]) == 1
    assert 'error: ' in capsys.readouterr().err
    (tmp_path / 'said.csv').write_text('ann_id,expression\n11,left\n')
    from_coco = load_tool('coco2jsonl', monkeypatch)
    own = str(tmp_path / 'own.jsonl')
    arguments = [str(coco), str(tmp_path / 'said.csv'), own, '--split', 'train']
    assert from_coco([*arguments, '--image-prefix', 'photos/']) == 0
    [record] = read_jsonl(own)
    assert record['split'] == 'train' and record['file_name'] == 'photos/COCO_train2014_1.jpg'


def test_truth_31_base_names_and_categories_both_ways(refshapes, tmp_path):
    jsonl, back = tmp_path / 'all.jsonl', tmp_path / 'back'
    refcoco_to_jsonl(*files(refshapes), jsonl, image_prefix=IMAGES)
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    before = json.loads(files(refshapes)[0].read_text())
    names = {one['id']: one['name'] for one in before['categories']}
    meant = {one['id']: names[one['category_id']] for one in before['annotations']}
    assert [line['category'] for line in lines] == [meant[line['ann_id']] for line in lines]
    assert len({line['category'] for line in lines}) > 2
    jsonl_to_refcoco(jsonl, back, refshapes)
    content = json.loads((back / 'instances.json').read_text())
    assert all('/' not in image['file_name'] for image in content['images'])
    assert all((refshapes / IMAGES / image['file_name']).is_file() for image in content['images'])
    again = {one['id']: one['name'] for one in content['categories']}
    assert {one['id']: again[one['category_id']] for one in content['annotations']} == {
        ann_id: meant[ann_id] for ann_id in {line['ann_id'] for line in lines}
    }
    refs = load_plain_pickle(str(back / 'refs(unc).p'))
    assert all('/' not in ref['file_name'] for ref in refs)
    assert [again[ref['category_id']] for ref in refs] == [line['category'] for line in lines]


def test_truth_31_two_images_of_one_name_are_an_error(tmp_path):
    for folder in 'xy':
        (tmp_path / folder).mkdir()
        Image.new('RGB', (8, 6)).save(tmp_path / folder / 'a.png')
    lines = [dict(image=f'{k}/a.png', expression='x', mask=[0, 0, 4, 0, 4, 4]) for k in 'xy']
    (tmp_path / 'own.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(DataError, match='x/a.png and y/a.png have one name'):
        jsonl_to_refcoco(tmp_path / 'own.jsonl', tmp_path / 'out', split='train')
    assert not (tmp_path / 'out').exists()


def test_truth_27_lists_of_rles_survive_every_converter(tmp_path):
    left, right = np.zeros((2, 6, 8), np.uint8)
    left[1:4, 1:3], right[2:5, 2:6] = 1, 1
    parts = [
        dict(size=[6, 8], counts=coco_mask.encode(np.asfortranarray(one))['counts'].decode())
        for one in (left, right)
    ]
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.png')
    content = dict(
        images=[dict(id=1, file_name='a.png', height=6, width=8)],
        annotations=[dict(id=7, image_id=1, category_id=1, segmentation=parts)],
        categories=[dict(id=1, name='ship')],
    )
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    (tmp_path / 'said.csv').write_text('ann_id,expression\n7,the ship\n')
    own, out = tmp_path / 'own.jsonl', tmp_path / 'out'
    coco_to_jsonl(tmp_path / 'instances.json', tmp_path / 'said.csv', own, 'train')
    jsonl_to_refcoco(own, out)
    refcoco_to_jsonl(out / 'instances.json', out / 'refs(unc).p', tmp_path / 'again.jsonl')
    for path in (own, tmp_path / 'again.jsonl'):
        [record] = read_jsonl(str(path))
        assert record['category'] == 'ship'
        np.testing.assert_array_equal(rle_to_mask(target_rle(record, 6, 8, 'x')), left | right)
    findings = check_root(tmp_path).findings
    assert not [one for one in findings if one.where.endswith('.jsonl')]
