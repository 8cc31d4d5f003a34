# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CrossVLT's fusion: a sum, a second fusion behind the downsampling, words that read its result."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from magnet_mm.models import CrossVLTFusion
from magnet_mm.models.fusion.crossvlt_fusion import PixelsIntoWords, WordsIntoPixels
from magnet_mm.structures import TextFeatures

C, D, NEXT = 8, 12, 16
MASK = torch.tensor([[1] * 5, [1, 1, 1, 0, 0]])
SIZES = dict(head_channels=4, word_heads=3, word_ffn_channels=10)


def fusion(is_last=False, **kwargs) -> CrossVLTFusion:
    next_channels = None if is_last else NEXT
    module = CrossVLTFusion(C, D, is_last, next_channels, **SIZES, **kwargs).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def text() -> TextFeatures:
    return TextFeatures(torch.randn(2, 5, D), MASK)


def test_words_are_added_to_the_pixels():
    """By loops: softmax(q k / sqrt(width of a head)) over real words, IN, sum, GELU."""
    module = WordsIntoPixels(C, D, 2 * C, 4)
    pixels, words = torch.randn(2, 6, C), torch.randn(2, 5, D)
    attention = module.attention
    query = F.instance_norm(attention.query(pixels).transpose(1, 2)).transpose(1, 2)
    key, value = attention.key(words), attention.value(words)
    gathered = torch.zeros(2, 6, 2 * C)
    for b in range(2):
        count = int(MASK[b].sum())
        for head in range(4):
            part = slice(4 * head, 4 * head + 4)
            for n in range(6):
                share = (key[b, :count, part] @ query[b, n, part] / 4**0.5).softmax(0)
                gathered[b, n, part] = share @ value[b, :count, part]
    gathered = F.instance_norm(attention.out(gathered).transpose(1, 2)).transpose(1, 2)
    expected = F.gelu(module.project(gathered + pixels))
    torch.testing.assert_close(module(pixels, words, MASK), expected, rtol=1e-4, atol=1e-5)


def test_a_stage():
    module, visual, said = fusion(), torch.randn(2, 3, 4, C), text()
    out = module(visual, said)
    pixels = visual.flatten(1, 2)
    fused = module.inside(pixels, said.words, MASK)
    torch.testing.assert_close(out.feature, module.norm(fused).view_as(visual))
    torch.testing.assert_close(
        out.visual, (pixels + module.inside_gate(fused) * fused).view_as(visual)
    )
    assert out.words is said.words
    assert out.extras['pixels'] is visual
    assert torch.equal(out.extras['sentence'], said.words[:, 0])


def test_behind_the_downsampling():
    module, merged, said = fusion(), torch.randn(2, 2, 2, NEXT), text()
    visual, words = module.after_downsample(merged, said)
    pixels = merged.flatten(1, 2)
    fused = module.behind(pixels, said.words, MASK)
    pixels = pixels + module.behind_gate(fused) * fused
    torch.testing.assert_close(visual, pixels.view_as(merged))
    torch.testing.assert_close(words, module.word_update(said.words, pixels))  # after the fusion


def test_words_read_pixels_post_norm():
    module = PixelsIntoWords(D, NEXT, 3, 10, dropout=0.1).eval()
    words, pixels = torch.randn(2, 5, D), torch.randn(2, 6, NEXT)
    query, key, value = (
        layer(x).view(2, -1, 3, 4).transpose(1, 2)
        for layer, x in ((module.query, words), (module.key, pixels), (module.value, pixels))
    )
    gathered = (query @ key.transpose(2, 3) / 2).softmax(-1) @ value
    gathered = module.attention_output.dense(gathered.transpose(1, 2).flatten(2))
    read = F.layer_norm(words + gathered, (D,), eps=1e-12)
    hidden = F.gelu(module.intermediate.dense(read))
    expected = F.layer_norm(read + module.output.dense(hidden), (D,), eps=1e-12)
    torch.testing.assert_close(module(words, pixels), expected)
    module.train()
    assert not torch.equal(module(words, pixels), module(words, pixels))  # dropout


def test_the_last_stage_has_neither_gate_nor_second_fusion():
    module, visual = fusion(is_last=True), torch.randn(2, 3, 4, C)
    assert {name.split('.')[0] for name, _ in module.named_parameters()} == {'inside', 'norm'}
    assert torch.equal(module(visual, text()).visual, visual)


@pytest.mark.parametrize(
    ('visual', 'widths'),
    [
        (
            dict(type='StagewiseSwin', embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
            [16, 32, 64],
        ),
        (dict(type='StagewiseResNet', depth=18, base_channels=8, stem_channels=8), [8, 16, 32]),
    ],
    ids=['swin', 'resnet'],
)
def test_the_encoder_says_how_wide_the_next_stages_input_is(visual, widths):
    """Patch merging doubles the width; a ResNet's next stage downsamples itself."""
    encoder = MODELS.build(
        dict(
            type='CrossModalEncoder',
            visual=visual,
            text=dict(
                type='StagewiseBert',
                groups=(1, 1, 1, 1),
                config=dict(
                    vocab_size=30,
                    hidden_size=12,
                    num_hidden_layers=4,
                    num_attention_heads=3,
                    intermediate_size=8,
                ),
            ),
            fusion=dict(type='CrossVLTFusion', **SIZES),
        )
    ).eval()
    assert [module.behind.project.in_features for module in encoder.fusion[:3]] == widths
    images, ids = torch.randn(2, 3, 64, 64), torch.randint(30, (2, 5))
    features = encoder(images, ids, MASK)
    assert [extra['pixels'].shape[-1] for extra in features.extras] == list(encoder.visual.channels)
    changed = encoder(images.flip(3), ids, MASK)
    assert not torch.allclose(changed.words, features.words)  # the words have read the image
    assert torch.equal(changed.extras[0]['sentence'], features.extras[0]['sentence'])
