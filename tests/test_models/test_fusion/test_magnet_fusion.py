# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Wiring of MagNet's fusion: gates, options, what reads what."""

import pytest
import torch

from magnet_mm.models import LAVTFusion, MagNetFusion
from magnet_mm.models.fusion import LanguageGate
from magnet_mm.structures import TextFeatures

C, D = 16, 12


def inputs(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    visual, words = torch.randn(batch, 6, 5, C), torch.randn(batch, 7, D)
    return visual, words, torch.tensor([[1] * 7, [1] * 4 + [0] * 3])[:batch]


def open_text_gate(fusion: MagNetFusion) -> None:
    torch.nn.init.normal_(fusion.text_gate.out.weight, std=0.5)


def test_shapes():
    visual, words, mask = inputs()
    out = MagNetFusion(C, D, is_last=False)(visual, TextFeatures(words, mask))
    assert out.visual.shape == out.feature.shape == visual.shape
    assert out.words.shape == words.shape


def test_composition_of_the_parts():
    """V' = V + g(R) R, F = CAM(V, R, L), L' = L + g(r) r, all from the pre-fusion V and L."""
    fusion = MagNetFusion(C, D, is_last=False)
    for parameter in fusion.parameters():  # large weights: every part makes a difference
        torch.nn.init.normal_(parameter, std=0.5)
    visual, words, mask = inputs()
    out = fusion(visual, TextFeatures(words, mask))
    pixels = visual.view(2, 30, C)
    fused = fusion.pwam(pixels, words, mask)
    gated = pixels + torch.tanh(fusion.gate.out(
        torch.nn.functional.gelu(fusion.gate.hidden(fused)))) * fused  # fmt: skip
    torch.testing.assert_close(out.visual, gated.view(2, 6, 5, C))
    feature = fusion.alignment(visual, fused.view(2, 6, 5, C), words, mask)
    torch.testing.assert_close(out.feature, feature)
    residual = fusion.text_pwam(words, mask, pixels)
    text_gate = torch.tanh(fusion.text_gate.out(fusion.text_gate.hidden(residual).relu()))
    torch.testing.assert_close(out.words, words + text_gate * residual)
    assert (out.words - words).abs().max() > 0.1
    assert (out.visual - visual).abs().max() > 0.1


def test_words_untouched_without_update():
    fusion = MagNetFusion(C, D, is_last=False)
    open_text_gate(fusion)
    visual, words, mask = inputs()
    out = fusion(visual, TextFeatures(words, mask), update_words=False)
    assert out.words is words
    updated = fusion(visual, TextFeatures(words, mask))
    assert not torch.equal(updated.words, words)
    assert torch.equal(updated.visual, out.visual)
    assert torch.equal(updated.feature, out.feature)


def test_text_gate_starts_closed():
    visual, words, mask = inputs()
    assert torch.equal(
        MagNetFusion(C, D, is_last=False)(visual, TextFeatures(words, mask)).words, words
    )


def test_last_stage_has_no_image_gate():
    fusion = MagNetFusion(C, D, is_last=True)
    visual, words, mask = inputs()
    assert fusion.gate is None
    assert not any(name.startswith('gate.') for name, _ in fusion.named_parameters())
    assert torch.equal(fusion(visual, TextFeatures(words, mask)).visual, visual)


@pytest.mark.parametrize('pool_sizes', [(), []], ids=['tuple', 'list'])
def test_without_pyramids_the_feature_is_the_pwam_result(pool_sizes):
    fusion = MagNetFusion(C, D, is_last=False, pool_sizes=pool_sizes)
    visual, words, mask = inputs()
    assert fusion.alignment is None
    expected = fusion.pwam(visual.view(2, 30, C), words, mask).view(2, 6, 5, C)
    assert torch.equal(fusion(visual, TextFeatures(words, mask)).feature, expected)


def test_pool_sizes_reach_the_pyramids():
    fusion = MagNetFusion(C, D, is_last=False, pool_sizes=(1, 4))
    assert [level.pool_size for level in fusion.alignment.levels] == [1, 4]
    assert fusion.alignment.mixer[0].in_features == 2 * (C // 4) + C


def test_text_gate_can_open():
    """One step on a loss of the words moves the last linear; then the first one learns too."""
    fusion = MagNetFusion(C, D, is_last=True)
    visual, words, mask = inputs()
    target = torch.randn_like(words)
    optimizer = torch.optim.SGD(fusion.text_gate.parameters(), lr=1.0)

    def backward() -> None:
        optimizer.zero_grad()
        (fusion(visual, TextFeatures(words, mask)).words - target).square().mean().backward()

    backward()
    assert fusion.text_gate.hidden.weight.grad.abs().max() == 0
    assert fusion.text_gate.out.weight.grad.abs().max() > 0
    optimizer.step()
    backward()
    assert fusion.text_gate.hidden.weight.grad.abs().max() > 0
    assert not torch.equal(fusion(visual, TextFeatures(words, mask)).words, words)


def test_gate_with_both_linears_zero_would_never_open():
    """Why only the last linear of a gate is zeroed."""
    gate = LanguageGate(4, zero_init=True)
    assert gate.out.weight.abs().max() == 0
    assert gate.hidden.weight.abs().max() > 0
    torch.nn.init.zeros_(gate.hidden.weight)
    x = torch.randn(3, 4)
    (x * gate(x)).sum().backward()
    assert gate.hidden.weight.grad.abs().max() == 0
    assert gate.out.weight.grad.abs().max() == 0


def test_image_gate_is_alive_from_the_start():
    fusion = MagNetFusion(C, D, is_last=False)
    visual, words, mask = inputs()
    (fusion(visual, TextFeatures(words, mask)).visual - visual).square().mean().backward()
    for name, parameter in fusion.gate.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize('kind', [MagNetFusion, LAVTFusion])
def test_padding_vectors_do_not_influence_the_pixels(kind):
    fusion = kind(C, D, is_last=False)
    visual, words, mask = inputs()
    changed = words.clone()
    changed[1, 4:] += 10 * torch.randn(3, D)
    before, after = (
        fusion(visual, TextFeatures(words, mask)),
        fusion(visual, TextFeatures(changed, mask)),
    )
    assert torch.equal(before.feature, after.feature)
    assert torch.equal(before.visual, after.visual)
    changed[1, 3] += 1.0  # a real word does
    assert not torch.equal(
        before.feature[1], fusion(visual, TextFeatures(changed, mask)).feature[1]
    )


def test_padding_vectors_do_not_influence_the_words():
    fusion = MagNetFusion(C, D, is_last=False)
    open_text_gate(fusion)
    visual, words, mask = inputs()
    changed = words.clone()
    changed[1, 4:] += 10 * torch.randn(3, D)
    before, after = (
        fusion(visual, TextFeatures(words, mask)).words,
        fusion(visual, TextFeatures(changed, mask)).words,
    )
    torch.testing.assert_close(after[1, :4], before[1, :4], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[0], before[0])


def test_additive_text_mask_gives_every_real_word_the_same_image_vector():
    """The released network's defect, kept as an option: the spread over real words is zero."""
    visual, words, mask = inputs()
    spread = {}
    for text_mask in ('binary', 'additive'):
        torch.manual_seed(5)
        branch = MagNetFusion(C, D, is_last=False, text_mask=text_mask).text_pwam
        gathered = []
        branch.out.register_forward_hook(lambda _, inputs, __, store=gathered: store.append(inputs))
        branch(words, mask, visual.view(2, 30, C))
        spread[text_mask] = gathered[0][0][1, :4].std(0).max().item()
    assert spread['additive'] < 1e-6
    assert spread['binary'] > 1e-3
