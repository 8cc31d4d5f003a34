# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
import pytest
import torch

from magnet_mm.models.losses import MultiClassDiceLoss


def dice_by_loops(logits, labels, smooth):
    """Methods 1.2: softmax, one Dice per class and image, averaged."""
    terms = []
    for image, label in zip(logits, labels, strict=True):
        for c in range(len(image)):
            both = of_p = of_t = 0
            for y in range(label.shape[0]):
                for x in range(label.shape[1]):
                    p = torch.exp(image[c, y, x]) / torch.exp(image[:, y, x]).sum()
                    t = float(label[y, x] == c)
                    both, of_p, of_t = both + p * t, of_p + p, of_t + t
            terms.append(1 - (2 * both + smooth) / (of_p + of_t + smooth))
    return sum(terms) / len(terms)


def test_value_and_gradient():
    logits = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 2, (2, 3, 4))
    labels[1] = 0  # an image without the object
    ours = MultiClassDiceLoss(smooth=1.0, loss_weight=2.0)(logits, labels, ignore_index=255)
    loops = 2 * dice_by_loops(logits, labels, 1.0)
    torch.testing.assert_close(ours, loops)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits)[0], torch.autograd.grad(loops, logits)[0]
    )


def test_by_hand():
    """Two pixels, p(object) = 1/2 everywhere, one is object: both classes (2*.5+1)/(1+1+1)."""
    loss = MultiClassDiceLoss()(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))
    assert loss.item() == pytest.approx(1 - 2 / 3)


def test_perfect_prediction_costs_nothing():
    labels = torch.tensor([[[0, 1], [1, 1]]])
    logits = 50.0 * torch.stack([1 - labels, labels], 1).float()
    assert MultiClassDiceLoss()(logits, labels).item() == pytest.approx(0, abs=1e-6)


def test_pixel_weights_are_refused():
    with pytest.raises(ValueError, match='no pixel weights'):
        MultiClassDiceLoss()(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1).long(), torch.ones(1))


def test_half_precision_is_summed_in_float32():
    logits = torch.zeros(1, 2, 300, 300, dtype=torch.float16)  # sums of 45,000
    labels = torch.zeros(1, 300, 300, dtype=torch.int64)
    loss = MultiClassDiceLoss()(logits, labels)
    background = (90000 + 1) / (45000 + 90000 + 1)
    object_ = 1 / (45000 + 1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1 - (background + object_) / 2, rel=1e-5)
