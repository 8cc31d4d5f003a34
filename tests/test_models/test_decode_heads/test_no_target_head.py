# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The no-target plug-in: its value, loss and gradients, and what every method does with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.registry import MODELS

from magnet_mm.errors import ConfigError
from magnet_mm.models.decode_heads import NoTargetHead
from magnet_mm.models.targets import no_targets
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


def features(batch: int = 2) -> CrossModalFeatures:
    visual = tuple(torch.randn(batch, c, s, s) for c, s in ((4, 8), (6, 4), (8, 2)))
    text = TextFeatures(torch.randn(batch, 3, 5), torch.ones(batch, 3, dtype=torch.long))
    return CrossModalFeatures(visual, text)


def test_value_against_loops():
    head, said = NoTargetHead((4, 6, 8), 5, channels=7), features()
    logits = head(said)
    for item in range(2):
        sentence = head.sentence(said.words[item].mean(0))
        pooled = [sentence]
        for project, visual in zip(head.project, said.visual[1:], strict=True):
            weight, bias = project.weight[:, :, 0, 0], project.bias
            fits = torch.stack(
                [
                    (weight @ visual[item, :, y, x] + bias) * sentence
                    for y in range(visual.shape[2])
                    for x in range(visual.shape[3])
                ]
            )
            pooled += [fits.mean(0), fits.max(0).values]
        torch.testing.assert_close(logits[item], head.answer(torch.cat(pooled))[0])


def test_loss_and_gradients(make_samples):
    head, said = NoTargetHead((4, 6, 8), 5, channels=7, loss_weight=2.0), features()
    _, samples = make_samples(batch=2)
    samples[1].gt_sem_seg.data.zero_()
    assert no_targets(samples).tolist() == [False, True]
    samples[0].set_metainfo(dict(no_target=True))  # what the sample says comes before its mask
    assert no_targets(samples).tolist() == [True, True]
    loss = head.loss(said, samples)['loss_no_target']
    torch.testing.assert_close(loss, -2 * F.logsigmoid(head(said)).mean())
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize('name', ['magnet', 'lavt', 'coupalign'])
def test_a_batch_of_empty_masks_trains(name, build_model, make_samples):
    """Every loss and gradient is finite where nothing is meant, and the answer is given."""
    config = Config.fromfile(str(CONFIGS / f'{name}-nt_tiny_grefshapes.py'))
    model = build_model(config.model).train()
    images, samples = make_samples(batch=3, size=64)
    for sample in samples:
        sample.gt_sem_seg.data.zero_()
        sample.input_ids.remainder_(66)
    losses = model.loss(images, samples)
    assert 'no_target.loss_no_target' in losses
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in model.no_target_head.parameters())

    model.eval()
    with torch.no_grad():
        [probability] = {
            float(s.no_target_probability) for s in model.predict(images[:1], samples[:1])
        }
        model.set_no_target_threshold(probability + 1e-3)
        [sample] = model.predict(images[:1], samples[:1])
        assert not sample.pred_no_target
        assert sample.foreground['no_target_threshold'] == pytest.approx(probability + 1e-3)
        model.set_no_target_threshold(probability - 1e-3)
        [sample] = model.predict(images[:1], samples[:1])
    assert sample.pred_no_target and not sample.pred_sem_seg.data.any()


def test_a_head_that_answers_itself_refuses_the_plug_in():
    model = Config.fromfile(str(CONFIGS / 'rela_tiny_grefshapes.py')).model
    with pytest.raises(ConfigError, match='ReLAHead answers itself'):
        MODELS.build(dict(model, no_target_head=dict(type='NoTargetHead')))
