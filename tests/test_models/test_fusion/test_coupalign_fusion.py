# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Word-pixel alignment against its formulas, written out with the affinity as a matrix."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models import CoupAlignFusion, LAVTFusion
from magnet_mm.models.fusion import WordPixelAlignment
from magnet_mm.structures import TextFeatures

C, D, TOKENS = 16, 12, 7


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    visual = torch.randn(2, 6, 5, C, dtype=torch.float64)
    words = torch.randn(2, TOKENS, D, dtype=torch.float64)
    return visual, words, torch.tensor([[1] * TOKENS, [1] * 4 + [0] * 3])


def build(is_last: bool = False, num_heads: int = 1) -> CoupAlignFusion:
    """A fusion with open gates and large weights, so that every part makes a difference."""
    fusion = CoupAlignFusion(C, D, is_last, num_heads).double()
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return fusion


def instance_norm(x: torch.Tensor) -> torch.Tensor:
    return F.instance_norm(x.T[None])[0].T


def align_by_formula(module: WordPixelAlignment, pixels, words, mask, num_heads):
    """Methods 2.2 for one image: A is built once and used in both directions."""
    attention = module.pwam.attention
    keep = mask[:, None].double()
    query = instance_norm(attention.query(pixels))
    key = attention.key(words) * keep
    to_pixels, to_words = attention.value(words) * keep, module.pixel_value(pixels)
    forward, backward = [], []
    for part in torch.arange(C).chunk(num_heads):
        affinity = query[:, part] @ key[:, part].T / C**0.5
        shares = (affinity + 1e4 * (mask - 1)).softmax(1)
        forward.append(shares @ to_pixels[:, part])
        backward.append(affinity.T.softmax(1) @ to_words[:, part])
    gathered = instance_norm(attention.out(torch.cat(forward, 1)))
    fused = F.gelu(module.pwam.project(F.gelu(module.pwam.visual_project(pixels)) * gathered))
    return fused, module.word_norm(module.word_out(torch.cat(backward, 1)))


@pytest.mark.parametrize('num_heads', [1, 2])
def test_both_directions_share_one_affinity(num_heads):
    module = build(num_heads=num_heads).alignment
    visual, words, mask = inputs()
    pixels = visual.flatten(1, 2).requires_grad_()
    words.requires_grad_()
    ours = module(pixels, words, mask)
    plain = [
        torch.stack(parts)
        for parts in zip(
            *(align_by_formula(module, pixels[b], words[b], mask[b], num_heads) for b in range(2)),
            strict=True,
        )
    ]
    weights = [torch.randn_like(part) for part in ours]
    wanted = [pixels, words, *module.parameters()]
    grads = []
    for result in (ours, plain):
        total = sum((part * weight).sum() for part, weight in zip(result, weights, strict=True))
        grads.append(torch.autograd.grad(total, wanted))
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_gated_residuals():
    """V' = V + g(F) F and L' = m (L + g(G) G), both from the pre-fusion V and L."""
    fusion = build()
    visual, words, mask = inputs()
    out = fusion(visual, TextFeatures(words, mask))
    pixels = visual.flatten(1, 2)
    fused, residual = fusion.alignment(pixels, words, mask)

    def gate(module, x):
        return torch.tanh(module.out.weight @ F.relu(module.hidden.weight @ x.mT)).mT

    expected = pixels + gate(fusion.gate, fused) * fused
    torch.testing.assert_close(out.visual, expected.view_as(visual))
    expected = (words + gate(fusion.text_gate, residual) * residual) * mask[..., None]
    torch.testing.assert_close(out.words, expected)
    assert out.words[1, 4:].abs().max() == 0
    torch.testing.assert_close(out.feature, fusion.norm(fused).view_as(visual))
    assert (out.visual - visual).abs().max() > 0.1
    assert (out.words - words)[mask.bool()].abs().max() > 0.1


def test_gates_start_closed():
    visual, words, mask = inputs()
    out = CoupAlignFusion(C, D, is_last=False).double()(visual, TextFeatures(words, mask))
    assert torch.equal(out.visual, visual)
    assert torch.equal(out.words, words * mask[..., None])
    assert out.feature.std() > 0.5


def test_the_words_direction_can_be_left_out():
    fusion = build(is_last=True)
    visual, words, mask = inputs()
    out = fusion(visual, TextFeatures(words, mask), update_words=False)
    assert out.words is words
    assert torch.equal(out.feature, fusion(visual, TextFeatures(words, mask)).feature)
    out.feature.sum().backward()
    idle = {name for name, p in fusion.named_parameters() if p.grad is None}
    branch = {id(p) for module in fusion.text_branch() for p in module.parameters()}
    assert idle == {name for name, p in fusion.named_parameters() if id(p) in branch}
    assert fusion.gate is None


def test_pixels_side_is_lavt():
    """One direction of it is LAVT's stage, weight by weight."""
    fusion, lavt = build(), LAVTFusion(C, D, is_last=False).double()
    weights = {key.removeprefix('alignment.'): v for key, v in fusion.state_dict().items()}
    lavt.load_state_dict({key: weights[key] for key in lavt.state_dict()})
    visual, words, mask = inputs()
    ours, theirs = (
        fusion(visual, TextFeatures(words, mask)),
        lavt(visual, TextFeatures(words, mask)),
    )
    torch.testing.assert_close(ours.visual, theirs.visual)
    torch.testing.assert_close(ours.feature, theirs.feature)


def test_every_parameter_learns():
    fusion = build()
    visual, words, mask = inputs()
    out = fusion(visual, TextFeatures(words, mask))
    sum((part * torch.randn_like(part)).sum() for part in out[:3]).backward()
    # LAVT's layers in front of an instance norm: it takes what a bias adds away again.
    idle = {f'alignment.pwam.attention.{layer}.bias' for layer in ('query', 'value', 'out')}
    learning = {n for n, p in fusion.named_parameters() if p.grad.abs().max() > 1e-8}
    assert learning == {n for n, _ in fusion.named_parameters()} - idle


def test_padding_influences_nothing():
    fusion = build()
    visual, words, mask = inputs()
    changed = words.clone()
    changed[1, 4:] += 10 * torch.randn(3, D)
    for a, b in zip(
        fusion(visual, TextFeatures(words, mask)),
        fusion(visual, TextFeatures(changed, mask)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
