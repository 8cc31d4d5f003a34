# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentences of one image: encoded once, with the same logits as one by one."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_models import shrink

from magnet_mm.models.segmentors.last_image import LastImage
from magnet_mm.models.targets import shared_images, stack_text

ROOT = Path(__file__).resolve().parents[3]


def test_repeated_neighbours_are_left_out():
    a, b = torch.zeros(3, 2, 2), torch.ones(3, 2, 2)
    images, image_of = shared_images(torch.stack([a, a, b, a]))
    assert torch.equal(images, torch.stack([a, b, a]))
    assert image_of.tolist() == [0, 0, 1, 2]


def test_different_images_stay_as_they_are():
    batch = torch.randn(3, 3, 2, 2)
    images, image_of = shared_images(batch)
    assert images is batch
    assert image_of is None
    assert shared_images(batch[:1])[1] is None


@pytest.fixture(params=['magnet', 'caris'])
def model(request, build_model, tiny_magnet_config):
    """Fused from the first stage on, or in the head alone."""
    if request.param == 'magnet':
        return build_model(tiny_magnet_config()).eval()
    config = Config.fromfile(str(ROOT / 'configs/_base_/models/caris_swinb.py')).model
    model = build_model(shrink(config)).eval()
    for parameter in model.decode_head.parameters():  # its own start hardly sees the words
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def test_equal_to_one_by_one_and_encoded_once(model, make_samples):
    images, samples = make_samples(batch=4, lengths=(10, 7, 4, 9))
    images[1] = images[2] = images[0]
    sizes = []
    model.backbone.visual.patch_embed.register_forward_hook(
        lambda _, inputs, __: sizes.append(len(inputs[0]))
    )
    with torch.no_grad():
        shared = model.predict(images, copy.deepcopy(samples))
        alone = [
            model.predict(images[i : i + 1], copy.deepcopy(samples[i : i + 1]))[0] for i in range(4)
        ]
        plain = model.predict(images, copy.deepcopy(samples), share_images=False)
    # one by one, an image that is encoded without language is also remembered from batch to batch
    one_by_one = [1, 1] if model.backbone.encodes_images_alone else [1, 1, 1, 1]
    assert sizes == [2, *one_by_one, 4]
    for ours, one, batched in zip(shared, alone, plain, strict=True):
        torch.testing.assert_close(ours.seg_logits.data, one.seg_logits.data, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            ours.seg_logits.data, batched.seg_logits.data, rtol=1e-4, atol=1e-5
        )
    assert (shared[0].seg_logits.data - shared[1].seg_logits.data).abs().max() > 1e-3


def _loss_and_gradients(model, images, samples):
    torch.manual_seed(3)  # the words that Mask Grounding hides, the pixels that CAL draws
    model.zero_grad()
    losses = model.loss(images, samples)
    model.parse_losses(losses)[0].backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return losses, gradients


def test_losses_and_gradients_as_if_encoded_one_by_one(model, make_samples, monkeypatch):
    """Without dropout and batch statistics, which see what they are given."""
    model.double()
    images, samples = make_samples(batch=4, lengths=(10, 7, 4, 9))
    images = images.double()
    images[1] = images[0]
    images[3] = images[2]
    sizes = []
    model.backbone.visual.patch_embed.register_forward_hook(
        lambda _, inputs, __: sizes.append(len(inputs[0]))
    )
    losses, gradients = _loss_and_gradients(model, images, samples)
    module = 'magnet_mm.models.segmentors.referring_segmentor.shared_images'
    monkeypatch.setattr(module, lambda images: (images, None))
    expected, expected_gradients = _loss_and_gradients(model, images, samples)
    assert sizes == [2, 4]
    assert list(losses) == list(expected) and gradients.keys() == expected_gradients.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[name], rtol=1e-6, atol=1e-6, msg=name)
    largest = max(gradient.abs().max() for gradient in expected_gradients.values())
    for name, gradient in gradients.items():
        difference = (gradient - expected_gradients[name]).abs().max()
        assert difference < 1e-6 * largest, name


def test_another_augmentation_is_another_image():
    image = torch.rand(3, 4, 4)
    flipped = image.flip(-1)
    images, image_of = shared_images(torch.stack([image, flipped, flipped]))
    assert torch.equal(images, torch.stack([image, flipped]))
    assert image_of.tolist() == [0, 1, 1]


def test_image_of_may_repeat_in_any_order(model, make_samples):
    images, samples = make_samples(batch=3)
    text = tuple(stack_text(samples).values())
    with torch.no_grad():
        logits = model.predict_logits(images[:2], *text, image_of=torch.tensor([1, 0, 1]))
        expected = model.predict_logits(images[[1, 0, 1]], *text)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


class Doubling(torch.nn.Module):
    """An encoder that counts the images it encodes; one map, its weight times the image."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))
        self.seen = 0

    def encode_images(self, images):
        self.seen += len(images)
        return (images * self.weight,)


@torch.no_grad()
def test_the_last_image_is_remembered_and_no_other():
    encoder, last = Doubling(), LastImage()
    a, b, c = torch.randn(3, 1, 3, 2, 2)
    for batch, seen in (([a, b], 2), ([b], 2), ([b, c], 3), ([b], 4), ([c, b], 6), ([a], 7)):
        images = torch.cat(batch)
        assert torch.equal(last.encode(encoder, images)[0], images * 2)
        assert encoder.seen == seen


@torch.no_grad()
def test_what_is_written_into_the_weights_is_not_missed():
    encoder, last = Doubling(), LastImage()
    image = torch.randn(1, 3, 2, 2)
    last.encode(encoder, image)
    encoder.weight.mul_(3)
    assert torch.equal(last.encode(encoder, image)[0], image * 6)
    encoder.load_state_dict(dict(weight=torch.tensor(5.0)))
    assert torch.equal(last.encode(encoder, image)[0], image * 5)
    assert torch.equal(last.encode(encoder, image.double())[0], image.double() * 5)
    assert encoder.seen == 4


def test_with_gradients_and_after_training_nothing_is_remembered(build_model):
    encoder, last = Doubling(), LastImage()
    image = torch.randn(1, 3, 2, 2)
    assert last.encode(encoder, image)[0].requires_grad
    assert last.encode(encoder, image)[0].requires_grad and encoder.seen == 2
    config = Config.fromfile(str(ROOT / 'configs/_base_/models/caris_swinb.py')).model
    model = build_model(shrink(config))
    with torch.no_grad():
        model._last_image.encode(encoder, image)
        model.eval()
        model._last_image.encode(encoder, image)
    assert encoder.seen == 4
