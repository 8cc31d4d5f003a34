# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.models import LAVTHead
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (4, 6, 8, 10)
SIZES = ((10, 14), (5, 7), (3, 4), (2, 2))  # odd sizes, as of 40x56 pixels


def build(**kwargs):
    return LAVTHead(CHANNELS, norm_cfg=dict(type='BN'), **kwargs)


def features(batch=2):
    visual = tuple(torch.randn(batch, c, *s) for c, s in zip(CHANNELS, SIZES, strict=True))
    return CrossModalFeatures(
        visual, TextFeatures(torch.randn(batch, 5, 3), torch.ones(batch, 5).long())
    )


def samples(masks):
    out = []
    for mask in masks:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=mask.to(torch.uint8)[None])
        out.append(sample)
    return out


def test_decoder_step_by_step():
    head = build().eval()
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    inputs = features()
    f1, f2, f3, y = inputs.visual
    for step, skip in zip(head.levels, (f3, f2, f1), strict=True):
        up = F.interpolate(y, skip.shape[2:], mode='bilinear', align_corners=True)
        y = torch.cat([up, skip], 1)
        for conv in step:
            y = F.conv2d(y, conv.conv.weight, None, padding=1)
            bn = conv.bn
            y = F.relu(
                F.batch_norm(y, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
            )
    logits = head(inputs).masks
    assert logits.shape == (2, 2, 10, 14)
    torch.testing.assert_close(inputs.pixel_embedding, y)
    torch.testing.assert_close(logits, F.conv2d(y, head.conv_seg.weight, head.conv_seg.bias))


def test_widths():
    head = build()
    assert head.pixel_channels == 5  # half of the last stage
    shapes = [tuple(conv.conv.weight.shape) for step in head.levels for conv in step]
    assert shapes == [
        (5, 18, 3, 3), (5, 5, 3, 3), (5, 11, 3, 3), (5, 5, 3, 3), (5, 9, 3, 3), (5, 5, 3, 3),
    ]  # fmt: skip
    assert build(channels=7).pixel_channels == 7
    assert not any(conv.conv.bias is not None for step in head.levels for conv in step)


def test_loss_is_taken_at_input_resolution():
    head = build(loss_decode=dict(type='CrossEntropyLoss', class_weight=[0.9, 1.1]))
    inputs = features()
    masks = torch.zeros(2, 40, 56)
    masks[0, 10:30, 5:20] = 1
    head.eval()
    losses = head.loss(inputs, samples(masks), {})
    upsampled = F.interpolate(head(inputs).masks, (40, 56), mode='bilinear', align_corners=True)
    expected = F.cross_entropy(upsampled, masks.long(), torch.tensor([0.9, 1.1]))
    assert losses['loss_ce'].item() == pytest.approx(expected.item(), rel=1e-5)
    right = (upsampled.argmax(1) == masks).float().mean().item()
    assert losses['acc_seg'].item() == pytest.approx(100 * right, rel=1e-5)


def test_every_parameter_learns():
    head = build(loss_decode=dict(type='MultiClassDiceLoss')).train()
    masks = torch.zeros(2, 40, 56)
    masks[:, 10:30, 5:20] = 1
    loss = head.loss(features(), samples(masks), {})['loss_dice']
    loss.backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_exports():
    head = build().eval()

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, *visual):
            return self.head(CrossModalFeatures(visual, None)).masks

    inputs = features().visual
    program = torch.export.export(Decoder(), inputs)
    torch.testing.assert_close(program.module()(*inputs), Decoder()(*inputs))
