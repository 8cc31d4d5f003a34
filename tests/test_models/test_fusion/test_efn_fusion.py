# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's fusion: the released normalisation, what reads what, gradients."""

import torch

from magnet_mm.models import EFNFusion
from magnet_mm.models.fusion.efn_fusion import VisualCoAttention, WordMap
from magnet_mm.structures import TextFeatures

C, D, S, T = 8, 6, 5, 4
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def text() -> TextFeatures:
    return TextFeatures(torch.randn(2, T, D), MASK, sentence=torch.randn(2, S))


def fusion() -> EFNFusion:
    return EFNFusion(C, D, False, S, channels=6, attention_channels=4)


def test_coattention_is_normalised_over_the_position_that_receives():
    """X_j = sum_i b_ij w_i with sum_j b_ij = 1; Y_i = sum_j a_ij v_j with sum_i a_ij = 1."""
    attention = VisualCoAttention(3, 2)
    torch.nn.init.normal_(attention.visual_query.weight)
    torch.nn.init.normal_(attention.word_query.weight)
    pixels, words = torch.randn(1, 3, 2, 3), torch.randn(1, 3, 2, 3)
    e = attention.visual_query(pixels).flatten(2)[0].T
    q = attention.word_query(words).flatten(2)[0].T
    a, w = pixels.flatten(2)[0].T, words.flatten(2)[0].T
    to_visual, to_words = torch.zeros(6, 3), torch.zeros(6, 3)
    for i in range(6):
        for j in range(6):
            affinity = (e[i] @ q[j]).exp()
            row = sum((e[i] @ q[k]).exp() for k in range(6))
            column = sum((e[k] @ q[j]).exp() for k in range(6))
            to_visual[j] += affinity / row * w[i]
            to_words[i] += affinity / column * a[j]
    ours = attention(pixels, words)
    torch.testing.assert_close(ours[0], attention.visual_out(to_visual.T.reshape(1, 3, 2, 3)))
    torch.testing.assert_close(ours[1], attention.word_out(to_words.T.reshape(1, 3, 2, 3)))


def test_a_pixel_gathers_real_words_without_scale():
    gather = WordMap(D)
    pixels, words = torch.randn(2, D, 2, 3), torch.randn(2, T, D)
    query = gather.query(pixels)[1, :, 1, 2]
    share = (words[1, :2] @ query).softmax(0)
    torch.testing.assert_close(gather(pixels, words, MASK)[1, :, 1, 2], share @ words[1, :2])
    nothing = gather(pixels, words, torch.zeros_like(MASK))
    assert nothing.isfinite().all()


def test_the_fused_map_goes_on_and_to_the_heads():
    visual, said = torch.randn(2, 3, 5, C), text()
    out = fusion().eval()(visual, said)
    assert out.feature is out.visual
    assert out.words is said.words
    # The L2 norm of a sum of two unit vectors is at most 2, and each is divided by its own norm.
    assert out.visual.shape == visual.shape
    assert out.visual.norm(dim=-1).max() <= 2 + 1e-5


def test_sentence_words_and_places_matter_padding_does_not():
    module, visual, said = fusion().eval(), torch.randn(2, 3, 5, C), text()
    with torch.no_grad():
        before = module(visual, said).visual
        padded = TextFeatures(said.words.clone(), MASK, sentence=said.sentence)
        padded.words[1, 2:] += 10
        assert torch.equal(module(visual, padded).visual, before)
        padded.words[1, 1] += 10
        assert not torch.equal(module(visual, padded).visual[1], before[1])
        other = TextFeatures(said.words, MASK, sentence=-said.sentence)
        assert (module(visual, other).visual - before).abs().amax((1, 2, 3)).min() > 1e-4
        flipped = module(visual.flip(1), said).visual.flip(1)
        assert not torch.allclose(flipped, before, atol=1e-4)


def test_every_parameter_gets_a_gradient():
    module = fusion().eval()
    module(torch.randn(2, 3, 5, C), text()).feature.square().mul(torch.rand(C)).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in module.parameters())
