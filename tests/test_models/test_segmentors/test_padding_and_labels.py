# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What must hold for every method: padding changes nothing, and masks are 0 and 1."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from magnet_mm.errors import DataError

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
METHODS = ('magnet', 'lavt', 'coupalign')


@pytest.fixture(params=METHODS)
def model(request, build_model):
    """A tiny model with open gates, in eval mode."""
    segmentor = build_model(Config.fromfile(CONFIGS / f'{request.param}_tiny_refshapes.py').model)
    for fusion in segmentor.backbone.fusion:
        for name in ('gate', 'text_gate'):
            if getattr(fusion, name, None) is not None:
                torch.nn.init.normal_(getattr(fusion, name).out.weight, std=0.2)
    return segmentor.eval()


def text_of(tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = (torch.arange(tokens) < torch.tensor([[10], [4], [7]])).long()
    words = torch.arange(5, 35).view(3, 10) % 30 + 5
    ids = torch.zeros(3, tokens, dtype=torch.long)
    ids[:, :10] = words
    return ids * mask, mask


@torch.no_grad()
def test_truth_15_padding_20_against_10_changes_no_logit(model):
    model.double()  # beyond rounding
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    short, padded = (model.predict_logits(images, *text_of(tokens)) for tokens in (10, 20))
    assert (short - padded).abs().max() < 1e-9 * short.std()
    other = model.predict_logits(images, text_of(10)[0].roll(1, 0), text_of(10)[1])
    assert (short - other).abs().max() > 1e-3 * short.std()  # words matter


@pytest.mark.parametrize('label', [2, 255])
def test_truth_16_one_error_for_another_label(model, make_samples, label):
    images, samples = make_samples(batch=2, size=64)
    for sample in samples:
        sample.input_ids %= 50  # the vocabulary of RefShapes
    samples[1].gt_sem_seg.data[0, 0, 0] = label
    with pytest.raises(DataError, match=f'holds the labels {label} beside 0'):
        model.loss(images, samples)
