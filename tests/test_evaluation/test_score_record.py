# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""scores.json: what is in it, and which two may be compared."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from magnet_mm.errors import DataError
from magnet_mm.evaluation import score_record
from magnet_mm.evaluation.score_record import (
    check_comparable,
    describe_data,
    read_record,
    record_beside,
    write_record,
)

PROTOCOL = dict(metric='ReferringMetric', per='sentence', rule='standard', resolution='input')
DATA = dict(dataset_name='refcoco', split='val', files={'instances.json': 'a' * 64})


def make(tmp_path, protocol=None, data=None, name='a'):
    evaluation = dict(protocol={**PROTOCOL, **(protocol or {})}, items=1, scores={'oIoU': 50.0})
    return write_record(tmp_path / name, [evaluation], [{**DATA, **(data or {})}], dict(seed=3))


def test_round_trip(tmp_path):
    path = make(tmp_path)
    record = read_record(path)
    assert record == record_beside(path.parent / 'items_refcoco_val.jsonl')
    assert record['evaluations'][0]['scores'] == {'oIoU': 50.0}
    assert (record['model'], record['format']) == (dict(seed=3), 'magnet_mm scores 1')
    assert {'python', 'magnet_mm', 'torch', 'mmengine', 'numpy'} <= record['versions'].keys()
    assert record_beside(tmp_path / 'items_refcoco_val.jsonl') is None


@pytest.mark.parametrize(
    ('text', 'problem'),
    [('{', 'JSONDecodeError'), ('{}', 'KeyError'), ('[]', 'TypeError'), (None, 'format is not')],
)
def test_what_is_no_record(tmp_path, text, problem):
    path = make(tmp_path)
    path.write_text(text or path.read_text().replace('scores 1', 'scores 2'))
    with pytest.raises(DataError, match=f'scores.json: .*{problem}'):
        read_record(path)


@pytest.mark.parametrize(
    ('protocol', 'data', 'difference'),
    [
        (dict(rule='vlt'), {}, 'rule is "standard" in A and "vlt" in B'),
        (dict(min_target_pixels=50), {}, 'min_target_pixels is not stated in A and 50 in B'),
        ({}, dict(split='testA'), 'split is "val" in A and "testA" in B'),
        (
            {},
            dict(files={'instances.json': 'b' * 64}),
            'the annotation files differ .instances.json aaaaaaaa in A, instances.json bbbbbbbb',
        ),
    ],
)
def test_differences_are_named(tmp_path, protocol, data, difference):
    first, second = read_record(make(tmp_path)), read_record(make(tmp_path, protocol, data, 'b'))
    with pytest.raises(DataError, match=f'not scored by one protocol.*{difference}'):
        check_comparable(first, second)
    check_comparable(first, first)


def test_a_control_may_be_compared_with_its_split(tmp_path):
    records = [read_record(make(tmp_path, {}, dict(split=s), s)) for s in ('val', 'val_blank')]
    check_comparable(*records, ignored=['split'])


def test_data_are_described(tmp_path):
    (tmp_path / 'refs.p').write_bytes(b'refs')
    (tmp_path / 'instances.json').write_bytes(b'instances')
    (tmp_path / 'provenance.json').write_text(json.dumps(dict(source='a mirror')))
    infos = [dict(ref_id=k // 2, img_path=f'{k // 4}.jpg') for k in range(8)]
    about = dict(
        dataset_name='refcoco',
        split_name='val',
        ann_file=str(tmp_path / 'instances.json'),
        refs_file=str(tmp_path / 'refs.p'),
    )

    class Leaf(SimpleNamespace):
        def __len__(self):
            return len(infos)

        def get_data_info(self, index):
            return infos[index]

    (found,) = describe_data(SimpleNamespace(datasets=[Leaf(**about)]))
    assert found == dict(
        dataset_name='refcoco',
        split='val',
        sentences=8,
        references=4,
        images=2,
        files={
            'instances.json': hashlib.sha256(b'instances').hexdigest(),
            'refs.p': hashlib.sha256(b'refs').hexdigest(),
        },
        provenance=dict(source='a mirror'),
    )
    (tmp_path / 'provenance.json').write_text('{')
    (again,) = describe_data(Leaf(**about))
    assert 'provenance.json cannot be read' in again['provenance']


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'1')
    first = score_record.file_sha256(path)
    path.write_bytes(b'22')
    assert score_record.file_sha256(path) != first == hashlib.sha256(b'1').hexdigest()
