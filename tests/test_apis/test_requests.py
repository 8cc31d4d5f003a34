# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every way to pair images and sentences, and every way to get it wrong."""

import numpy as np
import pytest
from PIL import Image

from magnet_mm.apis.requests import pair_images_and_expressions
from magnet_mm.errors import DataError

ARRAY = np.zeros((4, 4, 3), np.uint8)


def asked(images, expressions):
    requests = pair_images_and_expressions(images, expressions)
    return [(request.name, request.expressions) for request in requests]


@pytest.fixture
def folder(tmp_path):
    for name in ('b.JPG', 'a.png', 'notes.txt'):
        (tmp_path / name).touch()
    (tmp_path / 'inner.png').mkdir()
    return tmp_path


def test_pairs():
    assert asked('x/a.jpg', 'cup') == [('a.jpg', ('cup',))]
    assert asked(ARRAY, ['cup', 'hat']) == [('image_0000', ('cup', 'hat'))]
    assert asked(['a.jpg'], ['cup', 'hat']) == [('a.jpg', ('cup', 'hat'))]
    assert asked(['a.jpg', ARRAY], 'cup') == [('a.jpg', ('cup',)), ('image_0001', ('cup',))]
    assert asked(('a.jpg', 'b.jpg'), ('cup', 'hat')) == [('a.jpg', ('cup',)), ('b.jpg', ('hat',))]
    nested = [['cup', 'hat'], ['cat']]
    assert asked(['a.jpg', 'b.jpg'], nested) == [('a.jpg', ('cup', 'hat')), ('b.jpg', ('cat',))]
    image = Image.new('RGB', (2, 2))
    assert pair_images_and_expressions(image, 'cup')[0].source is image


def test_folder(folder):
    assert asked(folder, 'cup') == [('a.png', ('cup',)), ('b.JPG', ('cup',))]
    assert asked([str(folder), ARRAY], 'cup')[2] == ('image_0002', ('cup',))
    assert asked(folder, [['cup'], ['hat']]) == [('a.png', ('cup',)), ('b.JPG', ('hat',))]
    with pytest.raises(DataError, match='not clear which sentence belongs to which file'):
        asked(folder, ['cup', 'hat'])
    with pytest.raises(DataError, match='holds no image'):
        asked(folder / 'inner.png', 'cup')


@pytest.mark.parametrize(
    ('images', 'expressions', 'message'),
    [
        ([], 'cup', 'no images'),
        ('a.jpg', [], 'expressions are empty'),
        ('a.jpg', None, 'expressions are a NoneType'),
        ('a.jpg', {'cup': 1}, 'expressions are a dict'),
        ('a.jpg', '  \t', 'sentence of a.jpg is blank'),
        ('a.jpg', ['cup', ''], 'sentence of a.jpg is blank'),
        ('a.jpg', ['cup', 7], 'sentence of a.jpg is a int'),
        (['a.jpg', 'b.jpg'], ['cup', 'hat', 'cat'], '2 images but 3 sentences'),
        (['a.jpg', 'b.jpg'], ['cup'], '2 images but 1 sentences'),
        (['a.jpg', 'b.jpg'], [['cup']], '2 images but 1 lists'),
        (['a.jpg', 'b.jpg'], [['cup'], 'hat'], 'mix sentences and lists'),
        (['a.jpg', 'b.jpg'], [['cup'], []], 'b.jpg has no sentence'),
    ],
)
def test_refusals(images, expressions, message):
    with pytest.raises(DataError, match=message):
        asked(images, expressions)
