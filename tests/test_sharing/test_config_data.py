# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Configs as data and back."""

import json
from pathlib import Path

import pytest
from mmseg.models.backbones import ResNet

from magnet_mm.errors import ConfigError
from magnet_mm.models import MaskGroundingHead
from magnet_mm.sharing.config_data import from_data, to_data

HERE = Path('/somewhere/unfinished')


def test_there_and_back():
    config = dict(a=(1, [2.5, (None,)], ()), b={'c': True, 'tuple': 1, 'd': ''}, e='/elsewhere/x')
    data = json.loads(json.dumps(to_data(config, HERE)))
    assert data['a'] == {'tuple': [1, [2.5, {'tuple': [None]}], {'tuple': []}]}
    assert from_data(data, HERE) == config


def test_paths_follow_the_folder():
    data = to_data(dict(name=str(HERE / 'tokenizer/words.txt'), own=str(HERE)), HERE)
    assert data == dict(name='folder://tokenizer/words.txt', own='folder://.')
    assert from_data(data, Path('/new')) == dict(name='/new/tokenizer/words.txt', own='/new')


def test_classes_become_their_registered_names():
    data = to_data([dict(type=MaskGroundingHead), dict(type=ResNet)], HERE)
    assert data == [dict(type='mmseg.MaskGroundingHead'), dict(type='mmseg.ResNet')]


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (dict(a=[print]), r'config.a\[0\] is a builtin_function'),
        ({1: 2}, r'has the keys \[1\]'),
        (dict(tuple=3), 'has the keys'),
        (dict(type=Path), 'the class Path, which is in no registry'),
    ],
)
def test_what_is_no_data(value, message):
    with pytest.raises(ConfigError, match=message):
        to_data(value, HERE)
