# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Annotation files of every odd kind: right records, or an error that names file and entry."""

import copy
import json
import os.path as osp
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnet_mm.datasets import ReferringDataset
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.errors import DataError


def ref(**changes):
    return lambda refs, instances: refs[3].update(changes)


def sentence(**changes):
    return lambda refs, instances: refs[3]['sentences'][0].update(changes)


def image(**changes):
    return lambda refs, instances: instances['images'][1].update(changes)


def annotation(**changes):
    return lambda refs, instances: instances['annotations'][2].update(changes)


def repeat(part, **changes):
    def change(refs, instances):
        entries = refs if part == 'refs' else instances[part]
        position = dict(refs=3, images=1, annotations=2)[part]
        entries.append({**copy.deepcopy(entries[position]), **changes})

    return change


def repeat_sentence(refs, instances):
    refs[3]['sentences'].append(dict(refs[3]['sentences'][0], raw='another'))


# case: (change, what the DataError says or None); ref 4 is on image 2
CASES = {
    'same annotation, another ref': (repeat('refs', ref_id=99), None),
    'entry of `images` or `annotations` repeated word by word': (
        repeat('annotations'),
        None,
    ),
    'sentence with spaces, emoji, right-to-left text': (
        sentence(raw=' 🙂 الرجل '),
        None,
    ),
    'blank sentence': (sentence(raw=' '), None),
    'image in a subdirectory': (image(file_name='sub/a.jpg'), None),
    'ref_id twice': (repeat('refs'), 'ref 4 occurs twice'),
    'sent_id twice in a ref': (repeat_sentence, 'ref 4 has sentence 40 twice'),
    'two images with one id': (
        repeat('images', height=99),
        '"images" has two different entries with id 2',
    ),
    'two annotations with one id': (
        repeat('annotations', image_id=3),
        '"annotations" has two different entries with id 21',
    ),
    'sentence that is a number': (sentence(raw=5), 'ref 4, sentence: field "raw"'),
    'sentence that is null': (sentence(raw=None), 'field "raw" must be str'),
    'no sentence': (ref(sentences=[]), 'ref 4 has no sentence'),
    'sentences that are no list': (ref(sentences='abc'), 'field "sentences" must be list'),
    'true as an id': (ref(ref_id=True), 'field "ref_id" must be int, found bool'),
    'text as an id': (ref(ann_id='21'), 'field "ann_id" must be int, found str'),
    'id beyond 64 bits': (ref(ref_id=2**64), 'one that 64 bits cannot hold'),
    'id of 5,000 digits': (ref(ref_id=10**5000), 'one that 64 bits cannot hold'),
    'kind with an escape sequence': (
        sentence(kind='\x1b[2Jplace'),
        'field "kind" should be a short label',
    ),
    'kind that is a list': (sentence(kind=[1]), 'field "kind" should be a short label'),
    'annotation that is missing': (ref(ann_id=5), 'points to annotation 5'),
    'image that is missing': (ref(image_id=5), 'points to image 5'),
    'annotation on another image': (annotation(image_id=3), 'is on image 2'),
    'annotation without segmentation': (
        annotation(segmentation=None),
        'annotation 21 of ref 4: the segmentation is neither',
    ),
    'image of height 0': (image(height=0), 'image 2 is said to be 0 x 40'),
    'image of 10^12 pixels': (image(height=10**6, width=10**6), 'which is no image'),
    'image height that is text': (image(height='30'), 'field "height" must be int'),
    'image without a name': (image(file_name=''), 'image 2: the file name'),
    'name with `..`': (image(file_name='../../secret.jpg'), 'does not name a file'),
    'name with `..`, Windows': (image(file_name='..\\secret.jpg'), 'does not name'),
    'absolute name': (image(file_name='/etc/passwd'), 'does not name a file'),
    'absolute name, Windows': (image(file_name='C:\\secret.jpg'), 'does not name'),
    'URL': (image(file_name='http://localhost/a.jpg'), 'does not name a file'),
    'name with a NUL': (image(file_name='a\0.jpg'), 'does not name a file'),
    'name with an escape sequence': (image(file_name='\x1b]0;x\x07.jpg'), 'does not name'),
}  # fmt: skip


def _paths(data):
    return (
        osp.join(data['data_root'], data['ann_file']),
        osp.join(data['data_root'], data['refs_file']),
    )


@pytest.mark.parametrize('case', CASES)
def test_case(case, write_data, refs, instances):
    change, message = CASES[case]
    change(refs, instances)
    data = write_data(refs, instances)
    if message is None:
        dataset = ReferringDataset(**data, split='val', test_mode=True)
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        assert len(infos) == (6 if case.startswith('same') else 4)
        assert infos[0]['expression'] == refs[3]['sentences'][0]['raw']
        assert infos[0]['img_path'].endswith('/' + instances['images'][1]['file_name'])
        return
    with pytest.raises(DataError, match=message) as caught:
        load_records(*_paths(data), 'val')
    text = str(caught.value)
    assert any(path in text for path in _paths(data)) and len(text) < 800
    assert text.isprintable()  # neither escape sequences nor line breaks out of the files


def test_deeply_nested_json(write_data):
    data = write_data()
    ann_file, refs_file = _paths(data)
    Path(ann_file).write_text('[' * 200_000)
    with pytest.raises(DataError, match='not valid JSON'):
        load_records(ann_file, refs_file, 'val')


def test_split_names_cannot_write_to_the_terminal(write_data, refs):
    refs[0]['split'] = 'train\x1b[2J\u202e\nval'
    with pytest.raises(DataError, match='The splits in this file are') as caught:
        load_records(*_paths(write_data(refs)), 'none')
    assert str(caught.value).isprintable()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
places = st.sampled_from(
    [('refs', key) for key in ('ref_id', 'ann_id', 'image_id', 'split', 'sentences', 'file_name')]
    + [('sentences', key) for key in ('raw', 'sent_id', 'kind', 'tokens')]
    + [('images', key) for key in ('id', 'file_name', 'height', 'width')]
    + [('annotations', key) for key in ('id', 'image_id', 'segmentation', 'bbox')]
)


@given(places, values)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_in_any_field(write_data, place, value):
    data = write_data()
    ann_file, refs_file = _paths(data)
    instances = json.loads(Path(ann_file).read_text())
    assert load_records(ann_file, refs_file, 'val')  # the files are fine
    refs = pickle.loads(Path(refs_file).read_bytes())
    part, key = place
    target = dict(
        refs=refs[3],
        sentences=refs[3]['sentences'][0],
        images=instances['images'][1],
        annotations=instances['annotations'][2],
    )[part]
    target[key] = value
    write_data(refs, instances)
    try:
        records = load_records(ann_file, refs_file, 'val')
    except DataError as error:
        assert ann_file in str(error) or refs_file in str(error)
    else:
        assert all(isinstance(record['ref_id'], int) for record in records)
        assert all(isinstance(one['raw'], str) for r in records for one in r['sentences'])
