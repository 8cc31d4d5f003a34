# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Large annotation files: as json.loads, but for the entries that nobody wants."""

from __future__ import annotations

import json

import pytest

from magnet_mm.datasets.annotations.large_json import load_filtered

CONTENT = dict(
    info={'images': [1, 2], 'ü': 'a "quoted" ]}, text'},
    images=[dict(id=k, name=f'{k}', size=[1.5, [k]]) for k in range(4)],
    annotations=[],
    licenses=[1, None, True],
)


@pytest.mark.parametrize('indent', [None, 2])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_wanted_entries_are_kept(indent, encoding):
    data = f' {json.dumps(CONTENT, indent=indent, ensure_ascii=False)}\n'.encode(encoding)
    everything = dict.fromkeys(('images', 'annotations', 'absent'), lambda entry: True)
    assert load_filtered(data, everything) == load_filtered(data, {}) == CONTENT
    some = load_filtered(data, dict(images=lambda entry: entry['id'] in (1, 3)))
    assert some == {**CONTENT, 'images': [CONTENT['images'][1], CONTENT['images'][3]]}


@pytest.mark.parametrize('text', ['{}', ' { } ', '[1, 2]', '3', '{"images": 3}', '{"images": {}}'])
def test_other_content(text):
    assert load_filtered(text.encode(), dict(images=lambda entry: False)) == json.loads(text)


@pytest.mark.parametrize(
    'text',
    ['', '{', '{"images": [1, 2', '{"images": [1,]}', '{"a": 1,}', '{"a" 1}', '{1: 2}', '{} {}',
     '{"images": [1 2]}', '{"images": []', '{"a": 1}x'],
)  # fmt: skip
def test_mistakes_are_those_of_json(text):
    with pytest.raises(ValueError):
        json.loads(text)
    with pytest.raises(ValueError):
        load_filtered(text.encode(), dict(images=lambda entry: True))
