# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The second style: the same scenes and meanings, other colours and words."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.datasets.annotations.refs_reader import read_refs
from magnet_mm.errors import DataError
from magnet_mm.refshapes import make_example, write_refshapes
from magnet_mm.refshapes.drawing import RGB
from magnet_mm.refshapes.scene import COLOURS, SHAPES
from magnet_mm.refshapes.several import generalized_vocabulary
from magnet_mm.refshapes.style import STYLES
from magnet_mm.refshapes.wording import SIZE_WORDS, vocabulary

MARKET = STYLES['market']
COUNTS = {'train': 3, 'val': 2, 'testA': 0, 'testB': 0}


def test_every_colour_and_thing_has_another_look_and_word():
    sizes = {word for words in SIZE_WORDS.values() for word in words}
    assert set(MARKET.rgb) == set(COLOURS) and {*COLOURS, *SHAPES, *sizes} <= set(MARKET.words)
    assert set(MARKET.words) <= {*vocabulary(), *generalized_vocabulary()}
    assert not set(MARKET.words.values()) & {*vocabulary(), *generalized_vocabulary()}
    assert len(set(MARKET.words.values())) == len(MARKET.words)  # meanings stay apart
    for name, colour in MARKET.rgb.items():
        others = [*RGB.values(), *(rgb for other, rgb in MARKET.rgb.items() if other != name)]
        assert min(np.abs(np.subtract(colour, other)).sum() for other in others) > 60


def test_scenes_and_masks_are_the_same():
    plain, market = make_example(3, 'val', 0), make_example(3, 'val', 0, 'market')
    assert plain.scene == market.scene and plain.annotations == market.annotations
    assert plain.sentences == market.sentences
    assert (plain.image != market.image).any()


def test_sentences_are_said_in_other_words(tmp_path):
    for style in ('plain', 'market'):
        assert write_refshapes(tmp_path / style, 3, COUNTS, style=style) is True
    assert write_refshapes(tmp_path / 'market', 3, COUNTS, style='market') is False
    with pytest.raises(DataError, match='is not overwritten'):
        write_refshapes(tmp_path / 'market', 3, COUNTS)
    with pytest.raises(DataError, match='styles plain, market'):
        write_refshapes(tmp_path / 'other', 3, COUNTS, style='other')

    def said(style, file):
        path = str(tmp_path / style / 'refshapes' / file)
        refs = load_plain_pickle(path) if file.endswith('.p') else read_refs(path, True)
        return [(ref['ref_id'], one) for ref in refs for one in ref['sentences']]

    for file in ('refs(unc).p', 'refs(pairs).p', 'grefs(unc).json'):
        plain, market = said('plain', file), said('market', file)
        assert [ref for ref, _ in plain] == [ref for ref, _ in market]
        for (_, first), (_, second) in zip(plain, market, strict=True):
            words = [MARKET.words.get(word, word) for word in first['raw'].split()]
            assert second['raw'] == ' '.join(words)
            assert not set(words) & set(MARKET.words)
