# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every form in which people have the annotations becomes the files that are read here."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import downloads_of_data as downloads
import pytest

from magnet_mm.cli import main
from magnet_mm.data_tools.preparing import prepare
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.masks import rle_to_mask
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.errors import DataError


def records(folder: Path, split: str, refs: str = 'refs(unc).p', **kwargs) -> list[dict]:
    return load_records(str(folder / 'instances.json'), str(folder / refs), split, **kwargs)


def area(record: dict) -> int:
    height, width = record.get('height', 30), record.get('width', 40)
    return int(rle_to_mask(target_rle(record, height, width, 'it')).sum())


def state(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob('*')
        if path.is_file()
    }


def test_an_original_archive_is_passed_on_byte_for_byte(tmp_path):
    source = downloads.refer_zip(tmp_path, 'refcoco+')
    (one,) = prepare([source], tmp_path / 'out')
    folder = tmp_path / 'out' / 'refcoco+'
    assert one.folder == folder and set(one.new) == {'instances.json', 'refs(unc).p'}
    with zipfile.ZipFile(source) as archive:
        for name in one.new:
            assert (folder / name).read_bytes() == archive.read(f'refcoco+/{name}')
    provenance = json.loads((folder / 'provenance.json').read_text())
    assert provenance['source'][0]['path'] == str(source)
    assert len(provenance['source'][0]['sha256']) == 64 and provenance['dropped'] == []
    assert provenance['converted_by'].startswith('magnet_mm')
    assert provenance['counts']['refs(unc).p']['train'] == dict(
        refs=4, images=2, expressions=7, as_published=False
    )


def test_a_folder_of_archives_and_mmdetections_layout(tmp_path):
    source = tmp_path / 'coco'
    source.mkdir()
    for name, by in (('refcoco', 'unc'), ('refcocog', 'umd')):
        downloads.refer_zip(source, name, by)
    unpacked = tmp_path / 'data/coco'
    with zipfile.ZipFile(source / 'refcoco.zip') as archive:
        archive.extractall(unpacked)
    (unpacked / 'train2014').mkdir()
    first = prepare([source], tmp_path / 'out')
    assert [one.folder.name for one in first] == ['refcoco', 'refcocog']
    assert (tmp_path / 'out/refcocog/refs(umd).p').is_file()
    again = prepare([unpacked], tmp_path / 'out')  # the same files in another layout
    assert [one.new for one in again] == [[]]


@pytest.mark.parametrize('name', ['refcoco', 'refcocoplus', 'refcocog'])
def test_hub_parquet_gives_the_same_records_as_the_original(tmp_path, name):
    downloads.refer_zip(tmp_path, 'refcoco')
    prepare([tmp_path / 'refcoco.zip'], tmp_path / 'original')
    (one,) = prepare([downloads.hub_parquet(tmp_path / 'hub', name)], tmp_path / 'out')
    folder = dict(refcoco='refcoco', refcocoplus='refcoco+', refcocog='refcocog')[name]
    refs = 'refs(umd).p' if name == 'refcocog' else 'refs(unc).p'
    assert one.folder.name == folder and one.dropped == []
    for split in ('train', 'val', 'testA'):
        expected = records(tmp_path / 'original/refcoco', split)
        assert records(one.folder, split, refs) == expected
    stored = pickle.loads((one.folder / refs).read_bytes())
    assert stored == downloads.plain_refs()


def test_benchmark_parquet_holds_several_sets(tmp_path):
    written = prepare([downloads.benchmark_parquet(tmp_path / 'hub')], tmp_path / 'out')
    files = {one.folder.name: sorted(one.new) for one in written}
    assert files == {
        'refcoco': ['instances.json', 'refs(unc).p'],
        'refcocog': ['instances.json', 'refs(google).p', 'refs(umd).p'],
    }
    assert [area(one) for one in records(tmp_path / 'out/refcoco', 'val')][2] == 49
    assert 'evaluation splits only' in written[0].notes[0]


def test_mdetr_takes_its_masks_from_coco(tmp_path):
    (one,) = prepare([downloads.mdetr_folder(tmp_path / 'mdetr')], tmp_path / 'out')
    train = records(one.folder, 'train')
    # refs 1 and 2 are about annotation 11: one ref here, since MDETR knows no refs
    assert [record['ann_id'] for record in train] == [11, 12, 31]
    assert [len(record['sentences']) for record in train] == [4, 2, 1]
    assert area(train[1]) == 10 * 10 + 10 * 10 - 5 * 5
    assert train[0]['sentences'][0]['raw'] == 'the Red square '
    ids = [said['sent_id'] for record in train for said in record['sentences']]
    assert sorted(ids) == list(range(7))


def test_mdetr_without_coco_says_what_is_missing(tmp_path):
    folder = downloads.mdetr_folder(tmp_path / 'mdetr')
    (folder / 'instances_train2014.json').unlink()
    with pytest.raises(DataError, match='boxes only. Give .*instances_train2014.json'):
        prepare([folder], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_grefcoco(tmp_path):
    (one,) = prepare([downloads.grefcoco_folder(tmp_path / 'download')], tmp_path / 'out')
    assert one.folder.name == 'grefcoco' and 'grefs(unc).json' in one.new
    val = records(one.folder, 'val', 'grefs(unc).json', generalized=True)
    assert [record['no_target'] for record in val] == [True, False]  # the third has no sentence


def test_refcoco_m_keeps_its_images(tmp_path):
    (one,) = prepare([downloads.refcoco_m_parquet(tmp_path)], tmp_path / 'out')
    assert one.folder.name == 'refcoco-m'
    (record,) = records(one.folder, 'val')
    assert area(record) == 42 and record['category'] == 'person'
    assert [said['raw'] for said in record['sentences']] == ['corner', 'the corner']
    image = one.folder / 'images' / record['file_name']
    assert image.read_bytes() == downloads.picture(3)


def test_refsegrs(tmp_path):
    (one,) = prepare([downloads.refsegrs_folder(tmp_path / 'RefSegRS')], tmp_path / 'out')
    train = read_jsonl(str(one.folder / 'train.jsonl'))
    assert [record['file_name'] for record in train] == ['0.tif', '1.tif']
    assert area(train[0]) == 50 and train[0]['split'] == 'train'
    assert (one.folder / 'images/3.tif').is_file()


def test_phrasecut(tmp_path):
    (one,) = prepare([downloads.phrasecut_folder(tmp_path / 'VGPhraseCut_v0')], tmp_path / 'out')
    first, second = read_jsonl(str(one.folder / 'miniv.jsonl'))
    assert first['file_name'] == '4.jpg' and first['img_id'] == 4
    assert area(first) == 100 + 100 and first['category'] == 'people'
    assert [first['sentences'][0]['kind'], second['sentences'][0]['kind']] == ['attribute', None]
    assert one.dropped == [
        dict(
            what='polygons',
            why='less than three points',
            count=4,
            examples=['refer_miniv.json: 4__7', 'refer_test.json: 3__7', 'refer_train.json: 1__7'],
        )
    ]


def test_a_lossy_set_is_refused_with_the_reason(tmp_path):
    with pytest.raises(DataError, match='run together in one flat list'):
        prepare([downloads.lossy_parquet(tmp_path)], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_ref_without_a_mask_is_left_out_and_said(tmp_path, monkeypatch):
    content = downloads.polygon_instances()
    content['annotations'][4]['segmentation'] = []
    monkeypatch.setattr(downloads, 'polygon_instances', lambda: content)
    (one,) = prepare([downloads.hub_parquet(tmp_path / 'hub')], tmp_path / 'out')
    assert one.dropped == [
        dict(what='refs', why='masks are empty: no polygon.', count=2, examples=['ref 8', 'ref 6'])
    ]
    provenance = json.loads((one.folder / 'provenance.json').read_text())
    assert provenance['dropped'] == one.dropped


def test_running_it_twice_changes_nothing(tmp_path):
    source = downloads.hub_parquet(tmp_path / 'hub')
    prepare([source], tmp_path / 'out')
    before = state(tmp_path / 'out')
    (one,) = prepare([source], tmp_path / 'out')
    assert one.new == [] and state(tmp_path / 'out') == before


def test_another_division_is_added(tmp_path):
    for by in ('unc', 'google'):
        folder = tmp_path / by
        folder.mkdir()
        (one,) = prepare([downloads.refer_zip(folder, by=by)], tmp_path / 'out')
    assert one.new == ['refs(google).p']
    provenance = json.loads((one.folder / 'provenance.json').read_text())
    assert len(provenance['source']) == 2
    assert set(provenance['counts']) == {'refs(unc).p', 'refs(google).p'}


def test_other_files_in_the_way_stay(tmp_path):
    mine = tmp_path / 'out/refcoco/instances.json'
    mine.parent.mkdir(parents=True)
    mine.write_text('my own')
    with pytest.raises(DataError, match='differs from what the sources give'):
        prepare([downloads.refer_zip(tmp_path)], tmp_path / 'out')
    assert state(tmp_path / 'out').keys() == {'refcoco/instances.json'}
    assert mine.read_text() == 'my own'


def test_an_interruption_leaves_nothing_half_done(tmp_path, monkeypatch):
    source = downloads.refer_zip(tmp_path)
    writing = 'magnet_mm.data_tools.preparing.writing'

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f'{writing}._count', interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare([source], tmp_path / 'out')
    assert list((tmp_path / 'out').iterdir()) == []
    assert prepare([source], tmp_path / 'out')[0].new


def test_a_pickle_that_asks_for_code_is_refused(tmp_path):
    path = tmp_path / 'refcoco.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('refcoco/refs(unc).p', b"cos\nsystem\n(S'touch owned'\ntR.")
        archive.writestr('refcoco/instances.json', '{"images": [], "annotations": []}')
    with pytest.raises(DataError, match='posix.system|os.system'):
        prepare([path], tmp_path / 'out')


@pytest.mark.parametrize('name', ['../../refcoco/refs(unc).p', '/etc/refcoco/refs(unc).p'])
def test_an_archive_whose_names_lead_out_of_it_is_refused(tmp_path, name):
    path = tmp_path / 'refcoco.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(name, pickle.dumps(downloads.plain_refs(), 2))
    with pytest.raises(DataError, match='leads out of the archive'):
        prepare([path], tmp_path / 'out')
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    'name, data, message',
    [
        ('refcoco.zip', b'PK\x03\x04' + b'x' * 50, 'breaks off'),
        ('refcoco.zip', b'<html>404</html>', 'a web page'),
        ('train.parquet', b'PAR1' + b'x' * 50, 'no complete parquet file'),
        ('data.bin', b'\x01\x02', 'no file of a known data set'),
    ],
)
def test_damaged_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        prepare([tmp_path / name], tmp_path / 'out')


def test_the_command(tmp_path, capsys):
    source = downloads.refer_zip(tmp_path)
    out = tmp_path / 'out'
    assert main(['prepare-data', str(source), '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert 'train: 4 refs, 2 images, 7 expressions; not the published numbers' in said
    assert 'there is no image folder' in said  # the checker's report
    assert main(['prepare-data', str(source), '--out', str(out)]) == 0
    assert 'nothing new' in capsys.readouterr().out


@pytest.mark.parametrize(
    'make, name', [(downloads.ref_zom_root, 'ref-zom'), (downloads.rrefcoco_root, 'rrefcoco')]
)
def test_what_refs_hold_goes_before_names(tmp_path, make, name):
    root = make(tmp_path / 'data')
    folder = (root / name).rename(root / 'refcoco')  # a folder that says something else
    (one,) = prepare([folder], tmp_path / 'out')
    assert one.folder.name == name and one.counts


def test_where_nothing_tells_the_user_says_it(tmp_path):
    folder = tmp_path / 'annotations'
    folder.mkdir()
    refs = [dict(ref, sentences=ref['sentences'][-1:]) for ref in downloads.plain_refs()]
    for ref in refs:
        ref['sentences'] = [dict(ref['sentences'][0], raw='it', sent='it')]
    (folder / 'refs(unc).p').write_bytes(pickle.dumps(refs, 2))
    (folder / 'instances.json').write_text(json.dumps(downloads.polygon_instances()))
    with pytest.raises(DataError, match='--dataset refcoco, refcoco. or refcocog'):
        prepare([folder], tmp_path / 'out')
    (one,) = prepare([folder], tmp_path / 'out', 'refcoco+')
    assert one.folder.name == 'refcoco+'


def test_refs_as_json_become_a_pickle_and_take_cocos_annotations(tmp_path):
    (tmp_path / 'refcoco').mkdir()
    (tmp_path / 'refcoco/refs(unc).json').write_text(json.dumps(downloads.plain_refs()))
    coco = downloads.mdetr_folder(tmp_path / 'coco') / 'instances_train2014.json'
    (one,) = prepare([tmp_path / 'refcoco', coco], tmp_path / 'out')
    assert one.new == ['instances.json', 'refs(unc).p'] and len(one.notes) == 2
    assert len(records(one.folder, 'val')) == 3
