# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every form of own data becomes one file with splits; images stay whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from magnet_mm.errors import DataError
from magnet_mm.finetuning.own_data import Source, check, collect

SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return path


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def twelve_lines() -> list[dict]:
    """Two lines about each of six images; one of them is spelled in two ways."""
    lines = [dict(image=f'{n // 2}.png', expression=f'thing {n}', mask=SQUARE) for n in range(12)]
    lines[1]['image'] = './0.png'
    return lines


def test_split_by_image(tmp_path):
    source = Source(write(tmp_path / 'own.jsonl', twelve_lines()))
    data = collect(source, tmp_path / 'work' / 'data.jsonl', 0.3, seed=4)
    assert data.note == '2 of 6 images drawn for val, seed 4'
    assert data.sizes == dict(train=8, val=4) and not data.says_nothing
    lines = lines_of(data.file)
    splits = {}
    for line in lines:
        splits.setdefault(line['image'].removeprefix('./'), set()).add(line['split'])
    assert all(len(found) == 1 for found in splits.values())
    assert data.sentences['val'] == [line['expression'] for line in lines if line['split'] == 'val']
    assert (data.images, data.masks) == (tmp_path, tmp_path)
    again = collect(source, tmp_path / 'again.jsonl', 0.3, seed=4)
    other = collect(source, tmp_path / 'other.jsonl', 0.3, seed=5)
    assert again.file.read_text() == data.file.read_text() != other.file.read_text()


def test_given_splits_stay(tmp_path):
    lines = [dict(line, split='val' if n < 2 else 'train') for n, line in enumerate(twelve_lines())]
    lines[5] = dict(lines[5], mask=None, split='test')
    source = Source(write(tmp_path / 'own.jsonl', lines), Path('images'), Path('masks'))
    data = collect(source, tmp_path / 'data.jsonl', 0.5, seed=0)
    assert lines_of(data.file) == lines and data.note == 'the splits of own.jsonl'
    assert data.sizes == dict(train=9, val=2) and data.says_nothing
    assert (data.images, data.masks) == (Path('images'), Path('masks'))


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (lambda lines: lines[0].update(split='val'), '1 of 12 lines have a split'),
        (lambda lines: [line.update(split='train') for line in lines], 'the splits are train;'),
        (lambda lines: [line.update(image='0.png') for line in lines], 'one image'),
    ],
)
def test_data_that_cannot_be_split(change, told, tmp_path):
    lines = twelve_lines()
    change(lines)
    source = Source(write(tmp_path / 'own.jsonl', lines))
    with pytest.raises(DataError, match=told):
        collect(source, tmp_path / 'data.jsonl', 0.2, 0)


def test_other_forms(tmp_path):
    Image.new('L', (8, 6), 255).save(tmp_path / 'a.png')
    table = tmp_path / 'own.csv'
    table.write_text('image,expression,split\na.jpg,x,train\na.jpg,y,val\n')
    data = collect(Source(table), tmp_path / 'data.jsonl', 0.2, 0)
    assert [line['mask'] for line in lines_of(data.file)] == ['a.png', 'a.png']

    shape = dict(label='mug', points=[[0, 0], [4, 0], [4, 4]])
    folder = tmp_path / 'labelme'
    folder.mkdir()
    for name in 'ab':
        content = dict(imagePath=f'../{name}.png', imageHeight=6, imageWidth=8, shapes=[shape])
        (folder / f'{name}.json').write_text(json.dumps(content))
    data = collect(Source(folder, tmp_path), tmp_path / 'data.jsonl', 0.5, 0)
    assert sorted(line['image'] for line in lines_of(data.file)) == ['a.png', 'b.png']

    instances = tmp_path / 'instances.json'
    annotation = dict(id=1, image_id=1, segmentation=[SQUARE])
    image = dict(id=1, file_name='a.png', height=6, width=8)
    instances.write_text(json.dumps(dict(images=[image], annotations=[annotation])))
    (tmp_path / 's.csv').write_text('ann_id,expression,split\n1,x,train\n1,y,val\n')
    source = Source(instances, sentences=tmp_path / 's.csv')
    assert collect(source, tmp_path / 'data.jsonl', 0.2, 0).sizes == dict(train=1, val=1)

    for path, told in ((tmp_path / 'no.jsonl', 'There is no'), (tmp_path / 'a.png', 'give JSON')):
        with pytest.raises(DataError, match=told):
            collect(Source(path), tmp_path / 'data.jsonl', 0.2, 0)


def test_the_checker_looks_at_every_line(tmp_path):
    for n in range(6):
        Image.new('RGB', (8, 6)).save(tmp_path / f'{n}.png')
    source = Source(write(tmp_path / 'own.jsonl', twelve_lines()))
    console = Console(record=True, width=120)
    data = collect(source, tmp_path / 'work' / 'data.jsonl', 0.3, 0)
    check(data, console)  # images and masks lie in another folder than the file
    assert console.export_text() == ''
    (tmp_path / '3.png').unlink()
    with pytest.raises(DataError, match='1 sort'):
        check(data, console)
    assert 'image files are missing' in console.export_text()
