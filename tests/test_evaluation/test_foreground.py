# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The rule that makes masks of logits."""

import pytest
import torch

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule


def test_a_threshold_is_a_probability():
    rule = ForegroundRule('sigmoid', threshold=0.35)
    probability = torch.tensor([[[0.34, 0.36], [0.5, 0.1]]])
    foreground = rule.foreground(torch.logit(probability))
    assert rule.mask(foreground).tolist() == [[False, True], [True, False]]


def test_half_and_equal_logits_are_background():
    assert not ForegroundRule('sigmoid').mask(torch.zeros(2, 2)).any()
    rule = ForegroundRule('argmax')
    assert not rule.mask(rule.foreground(torch.ones(2, 3, 3))).any()


def test_two_channels_agree_with_argmax_and_softmax():
    logits = torch.randn(4, 2, 5, 6)
    rule = ForegroundRule('argmax')
    foreground = rule.foreground(logits)
    assert torch.equal(rule.mask(foreground), logits.argmax(1).bool())
    torch.testing.assert_close(foreground.sigmoid(), logits.softmax(1)[:, 1])


def test_it_travels_in_a_sample():
    rule = ForegroundRule('sigmoid', 0.35, no_target_threshold=0.7, align_corners=False)
    assert ForegroundRule.of({'foreground': rule.as_dict()}, 1) == rule
    assert ForegroundRule.of({}, 2) == ForegroundRule('argmax')
    with pytest.raises(ConfigError, match='1 or 2 channels, not 3'):
        ForegroundRule.of({}, 3)


@pytest.mark.parametrize('bad', [dict(kind='softmax'), dict(threshold=0), dict(threshold=1.5)])
def test_rules_that_are_none(bad):
    with pytest.raises(ConfigError):
        ForegroundRule(**bad)


def test_channels_that_do_not_fit():
    with pytest.raises(ConfigError, match='reads 1 channel'):
        ForegroundRule('sigmoid').foreground(torch.zeros(2, 4, 4))
