# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Masks of strangers: three forms, and what is refused in each."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from scored_masks import MASKS, SIZE

from magnet_mm.errors import DataError
from magnet_mm.evaluation import decode_mask, encode_mask
from magnet_mm.scoring import read_predictions


def sizes(key):
    return SIZE if key in MASKS else None


def as_png(folder):
    folder.mkdir()
    for (ref, sent), mask in MASKS.items():
        Image.fromarray(mask * 255).save(folder / f'{ref}_{sent}.png')
    return folder


def as_npz(path):
    np.savez_compressed(path, **{f'{r}_{s}': m.astype(bool) for (r, s), m in MASKS.items()})
    return path


def as_counts(path):
    """Without a size: it is the image's."""
    lines = [
        dict(ref_id=r, sent_id=s, counts=encode_mask(mask)['counts'], model='theirs')
        for (r, s), mask in MASKS.items()
    ]
    path.write_text('\n'.join(map(json.dumps, lines)))
    return path


@pytest.mark.parametrize(
    ('write', 'name'), [(as_png, 'pngs'), (as_npz, 'a.npz'), (as_counts, 'a.jsonl')]
)
def test_each_form_holds_the_same_masks(write, name, tmp_path):
    read = read_predictions(write(tmp_path / name), sizes)
    assert read.keys() == MASKS.keys()
    for key, mask in MASKS.items():
        assert (decode_mask(read[key].rle) == mask).all()
        assert (read[key].size, read[key].letterbox, read[key].no_target) == (SIZE, None, None)


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        ('{"ref_id": 4}', '"ref_id" and "sent_id" must be whole numbers'),
        ('{"ref_id": 4, "sent_id": 40, "counts": "123"}', 'do not add up to the 30 x 40 pixels'),
        ('{"ref_id": 4, "sent_id": 40, "counts": [1200], "no_target": 1}', 'true or false'),
        ('{"ref_id": 4, "sent_id": 40, "counts": [1200], "letterbox": [0, 0, 31, 40]}', 'inside'),
        ('{"ref_id": 4, "sent_id": 40}', 'needs "size" .* and "counts"'),
    ],
)
def test_lines_that_are_no_masks(line, problem, tmp_path):
    path = tmp_path / 'a.jsonl'
    path.write_text(line)
    with pytest.raises(DataError, match=f'a.jsonl, line 1: .*{problem}'):
        read_predictions(path, sizes)


def test_doubles_are_named(tmp_path):
    line = '{"ref_id": 4, "sent_id": 40, "counts": [1200]}\n'
    path = tmp_path / 'a.jsonl'
    path.write_text(2 * line)
    with pytest.raises(DataError, match='1 double: ref_id 4, sent_id 40 .line 1, and line 2.'):
        read_predictions(path, sizes)


def test_folders_and_arrays_that_are_no_masks(tmp_path):
    folder = as_png(tmp_path / 'pngs')
    (folder / 'readme.txt').write_text('')
    with pytest.raises(DataError, match=re.escape('readme.txt: not a PNG')):
        read_predictions(folder, sizes)
    np.savez(tmp_path / 'a.npz', **{'4_40': np.full(SIZE, 0.7)})
    with pytest.raises(DataError, match='array 4_40: .*not float64.*have to be thresholded'):
        read_predictions(tmp_path / 'a.npz', sizes)
    np.savez(tmp_path / 'b.npz', **{'4_40': np.array([{}])})
    with pytest.raises(DataError, match='array 4_40: cannot be read .*allow_pickle'):
        read_predictions(tmp_path / 'b.npz', sizes)
    np.savez(tmp_path / 'c.npz', first=np.zeros(SIZE, bool))
    with pytest.raises(DataError, match='array first: the name should be <ref_id>_<sent_id>'):
        read_predictions(tmp_path / 'c.npz', sizes)
