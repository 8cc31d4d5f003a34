# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentence features of CrossModalFeatures."""

import pytest
import torch

from magnet_mm.errors import ConfigError
from magnet_mm.structures import CrossModalFeatures, TextFeatures


def features() -> CrossModalFeatures:
    words = torch.tensor(
        [[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]], [[1.0, 0.0], [2.0, 1.0], [6.0, 5.0]]]
    )
    word_mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    return CrossModalFeatures((), TextFeatures(words, word_mask))


def test_mean_is_over_real_tokens_only():
    assert torch.equal(features().sentence('mean'), torch.tensor([[2.0, 3.0], [3.0, 2.0]]))


def test_mean_is_the_default():
    assert torch.equal(features().sentence(), features().sentence('mean'))


def test_cls_is_the_first_token():
    assert torch.equal(features().sentence('cls'), torch.tensor([[1.0, 2.0], [1.0, 0.0]]))


def test_unknown_pooling():
    with pytest.raises(ConfigError, match="'own', not 'max'"):
        features().sentence('max')
