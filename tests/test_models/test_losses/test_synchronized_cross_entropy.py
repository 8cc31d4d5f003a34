# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""torch's weighted cross-entropy in one process; several are in test_distributed_gradients.py."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from magnet_mm.models.losses import SynchronizedCrossEntropyLoss

WEIGHTS = [0.9, 1.1]


@pytest.fixture
def batch():
    labels = torch.randint(0, 2, (2, 5, 7))
    return torch.randn(2, 2, 5, 7), labels


def loss(**options):
    return SynchronizedCrossEntropyLoss(avg_non_ignore=True, **options)


def test_weighted_mean_is_torchs(batch):
    expected = F.cross_entropy(*batch, weight=torch.tensor(WEIGHTS))
    torch.testing.assert_close(loss(class_weight=WEIGHTS)(*batch), expected)
    torch.testing.assert_close(loss(class_weight=WEIGHTS, loss_weight=0.5)(*batch), expected * 0.5)


def test_ignored_labels_count_for_nothing(batch):
    logits, labels = batch
    labels[0, :2] = 255
    expected = F.cross_entropy(logits, labels, torch.tensor(WEIGHTS), ignore_index=255)
    found = loss(class_weight=WEIGHTS)(logits, labels, ignore_index=255)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    'options', [dict(), dict(class_weight=WEIGHTS, reduction='sum')], ids=['plain', 'sum']
)
def test_what_needs_no_exchange_is_mmsegs(batch, options):
    plain = MODELS.build(dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True, **options))
    torch.testing.assert_close(loss(**options)(*batch), plain(*batch))
    assert loss().loss_name == 'loss_ce'


def test_half_precision_logits_do_not_overflow_the_mean():
    labels = torch.ones(8, 128, 128, dtype=torch.long)  # a sum of 144,179, beyond float16
    found = loss(class_weight=WEIGHTS)(torch.zeros(8, 2, 128, 128).half(), labels)
    assert found.item() == pytest.approx(0.6931, abs=1e-3)
