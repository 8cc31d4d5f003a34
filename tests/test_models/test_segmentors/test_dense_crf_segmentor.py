# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The dense CRF behind a test, with a stand-in that records what pydensecrf would be given."""

import sys
import types

import numpy as np
import pytest
import torch

from magnet_mm.errors import ConfigError
from magnet_mm.models.segmentors.dense_crf_segmentor import APPEARANCE, SMOOTHNESS, STEPS

calls = []


class DenseCRF2D:
    """Answers the unary term's own distribution, with the left half made certain background."""

    def __init__(self, width, height, labels):
        self.shape = labels, height, width

    def setUnaryEnergy(self, energy):  # noqa: N802
        assert energy.dtype == np.float32 and energy.flags.c_contiguous
        self.energy = energy

    def addPairwiseGaussian(self, **values):  # noqa: N802
        assert values == SMOOTHNESS

    def addPairwiseBilateral(self, rgbim, **values):  # noqa: N802
        assert values == APPEARANCE and rgbim.flags.c_contiguous
        calls.append((self.energy.reshape(self.shape), rgbim))

    def inference(self, steps):
        assert steps == STEPS
        share = np.exp(-self.energy).reshape(self.shape)
        share[:, :, : self.shape[2] // 2] = [[[1.0]], [[0.0]]]
        return share.reshape(len(share), -1).tolist()  # as rows, not as an array


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    library = types.SimpleNamespace(DenseCRF2D=DenseCRF2D)
    monkeypatch.setitem(sys.modules, 'pydensecrf', types.SimpleNamespace(densecrf=library))
    monkeypatch.setitem(sys.modules, 'pydensecrf.densecrf', library)
    calls.clear()


@pytest.fixture
def models(tiny_magnet_config, build_model):
    plain = build_model(tiny_magnet_config()).eval()
    refined = build_model(dict(tiny_magnet_config(), type='DenseCRFSegmentor')).eval()
    refined.load_state_dict(plain.state_dict())  # weights of one are weights of the other
    return plain, refined


@torch.no_grad()
def test_masks_are_those_of_the_crf(models, make_samples):
    plain, refined = models
    images, samples = make_samples()
    before = [one.clone() for one in plain.predict(images, samples)]
    after = refined.predict(images, make_samples()[1])
    for one, other, (energy, pixels) in zip(before, after, calls, strict=True):
        logits = one.seg_logits.data[0]
        expected = np.stack([-torch.sigmoid(-logits).log(), -torch.sigmoid(logits).log()])
        np.testing.assert_allclose(energy, expected, atol=1e-5)
        assert pixels.dtype == np.uint8 and pixels.shape == (64, 64, 3)
        right = other.seg_logits.data[0][:, 32:]
        torch.testing.assert_close(right, logits[:, 32:], atol=1e-4, rtol=1e-4)
        assert (other.seg_logits.data[0][:, :32] < -80).all()
        assert torch.equal(other.pred_sem_seg.data, (other.seg_logits.data > 0).byte())
        assert torch.equal(other.head_logits.data, one.head_logits.data)


def test_the_image_is_rgb(models):
    _, model = models
    colour = torch.tensor([200.0, 100.0, 50.0]).view(1, 3, 1, 1)
    inputs = (colour - model.data_preprocessor.mean) / model.data_preprocessor.std
    assert model._pixels(inputs).flatten().tolist() == [200, 100, 50]
    model.data_preprocessor.channel_conversion = False  # a model that reads BGR
    assert model._pixels(inputs).flatten().tolist() == [50, 100, 200]


@torch.no_grad()
def test_two_channels_and_nothing_meant(models, make_samples, monkeypatch):
    from magnet_mm.evaluation.foreground import ForegroundRule
    from magnet_mm.structures import Prediction

    _, model = models
    images, samples = make_samples()
    masks = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(type(model), 'foreground', ForegroundRule('argmax'))
    monkeypatch.setattr(
        model, 'predict_tensors', lambda *args, **kwargs: Prediction(masks, torch.tensor([5.0, -5]))
    )
    nothing, something = model.predict(images, samples)
    assert something.seg_logits.data.shape == (2, 64, 64) and something.pred_sem_seg.data.any()
    assert not something.seg_logits.data[0].any()
    assert nothing.pred_no_target and not nothing.pred_sem_seg.data.any()


def test_without_the_library(tiny_magnet_config, build_model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pydensecrf', None)
    with pytest.raises(ConfigError, match='pip install cython git'):
        build_model(dict(tiny_magnet_config(), type='DenseCRFSegmentor'))
