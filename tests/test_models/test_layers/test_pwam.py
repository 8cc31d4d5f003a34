# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""PWAM and TextPWAM against straightforward loops, values and gradients, in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models.fusion import PWAM, TextPWAM

PIXELS, TOKENS, CHANNELS, TEXT = 5, 4, 6, 3


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def linear(module, x):
    return module.weight @ x + module.bias


def softmax(scores):
    weights = [torch.exp(score - max(s.item() for s in scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def instance_norm(rows, eps=1e-5):
    """Every channel over all rows: mean 0, variance 1 (biased)."""
    table = torch.stack(rows)
    mean = sum(table) / len(rows)
    variance = sum((row - mean) ** 2 for row in table) / len(rows)
    return [(row - mean) / torch.sqrt(variance + eps) for row in table]


def layer_norm(rows, norm):
    out = []
    for row in rows:
        mean = row.sum() / len(row)
        variance = ((row - mean) ** 2).sum() / len(row)
        out.append((row - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias)
    return out


def pwam_by_loops(module, pixels, words, mask, num_heads):
    """LAVT eq. 1-6, one image; the scale is that of the full width for every head."""
    attention = module.attention

    def norm(rows, layer):
        return layer_norm(rows, layer) if hasattr(layer, 'weight') else instance_norm(rows)

    queries = norm([linear(attention.query, v) for v in pixels], attention.query_norm)
    keys = [m * linear(attention.key, word) for word, m in zip(words, mask, strict=True)]
    values = [m * linear(attention.value, word) for word, m in zip(words, mask, strict=True)]
    width = CHANNELS // num_heads
    gathered = []
    for query in queries:
        heads = []
        for head in range(num_heads):
            part = slice(head * width, (head + 1) * width)
            scores = [
                (query[part] * key[part]).sum() / math.sqrt(CHANNELS) + 1e4 * (m - 1)
                for key, m in zip(keys, mask, strict=True)
            ]
            shares = softmax(scores)
            heads.append(sum(s * value[part] for s, value in zip(shares, values, strict=True)))
        gathered.append(linear(attention.out, torch.cat(heads)))
    language = norm(gathered, attention.out_norm)
    visual = [gelu(linear(module.visual_project, v)) for v in pixels]
    return torch.stack(
        [gelu(linear(module.project, v * g)) for v, g in zip(visual, language, strict=True)]
    )


def text_pwam_by_loops(module, words, mask, pixels):
    """Methods 3.1b, one sentence; ``mask`` is what the queries are multiplied with."""
    queries = [m * linear(module.query, word) for word, m in zip(words, mask, strict=True)]
    keys = instance_norm([linear(module.key, v) for v in pixels])
    values = instance_norm([linear(module.value, v) for v in pixels])
    gathered = []
    for query in queries:
        shares = softmax([(query * key).sum() / math.sqrt(TEXT) for key in keys])
        gathered.append(sum(s * value for s, value in zip(shares, values, strict=True)))
    gathered = [linear(module.out, g) for g in gathered]
    if module.text_mask == 'binary':  # the real words, which stand in front
        real = instance_norm([g for g, m in zip(gathered, mask, strict=True) if m])
        visual = real + [torch.zeros_like(g) for g in gathered[len(real) :]]
    else:
        visual = instance_norm(gathered)
    language = [gelu(linear(module.text_project, word)) for word in words]
    return torch.stack(
        [gelu(linear(module.project, w * v)) for w, v in zip(language, visual, strict=True)]
    )


def inputs():
    pixels = torch.randn(2, PIXELS, CHANNELS, dtype=torch.float64, requires_grad=True)
    words = torch.randn(2, TOKENS, TEXT, dtype=torch.float64, requires_grad=True)
    return pixels, words, torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])


def assert_same_with_gradients(ours, loops, module, *tensors):
    torch.testing.assert_close(ours, loops, rtol=1e-9, atol=1e-10)
    weights = torch.randn_like(ours)
    wanted = [*tensors, *module.parameters()]
    first = torch.autograd.grad((ours * weights).sum(), wanted, allow_unused=True)
    second = torch.autograd.grad((loops * weights).sum(), wanted, allow_unused=True)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize('norm', ['instance', 'layer'])
@pytest.mark.parametrize('num_heads', [1, 2])
def test_pwam(norm, num_heads):
    module = PWAM(CHANNELS, TEXT, num_heads, norm).double()
    pixels, words, mask = inputs()
    loops = torch.stack(
        [pwam_by_loops(module, pixels[b], words[b], mask[b], num_heads) for b in range(2)]
    )
    assert_same_with_gradients(module(pixels, words, mask), loops, module, pixels, words)


@pytest.mark.parametrize('norm', ['instance', 'layer'])
def test_pwam_does_not_see_padding(norm):
    module = PWAM(CHANNELS, TEXT, norm=norm).double()
    pixels, words, mask = inputs()
    changed = words.detach().clone()
    changed[0, 3] = 100.0
    torch.testing.assert_close(module(pixels, changed, mask), module(pixels, words, mask))


def test_centred_values_lose_less_to_rounding():
    """Words that are nearly alike: the same function, an order of magnitude closer in float32."""
    module = PWAM(64, 32)
    pixels = torch.randn(1, 200, 64)
    words = torch.randn(1, 1, 32) + 1e-3 * torch.randn(1, TOKENS, 32)
    mask = torch.ones(1, TOKENS)
    module.attention.centre_values = False
    plain = module.attention(pixels, words, mask)
    exact = module.double().attention(pixels.double(), words.double(), mask.double())
    module.float().attention.centre_values = True
    centred = module.attention(pixels, words, mask)
    error, plain_error = ((x - exact).square().mean().sqrt() for x in (centred, plain))
    assert error < 0.1 * exact.std()
    assert 5 * error < plain_error


@pytest.mark.parametrize('text_mask', ['binary', 'additive'])
def test_text_pwam(text_mask):
    module = TextPWAM(TEXT, CHANNELS, text_mask).double()
    pixels, words, mask = inputs()
    given = mask if text_mask == 'binary' else (1 - mask) * -10000
    loops = torch.stack(
        [text_pwam_by_loops(module, words[b], given[b], pixels[b]) for b in range(2)]
    )
    assert_same_with_gradients(module(words, mask, pixels), loops, module, words, pixels)


def test_additive_mask_gives_all_words_one_vector():
    """The released defect: real words attend uniformly, so they all receive the same."""
    pixels, words, mask = inputs()
    for text_mask, expected in (('additive', True), ('binary', False)):
        module = TextPWAM(TEXT, CHANNELS, text_mask).double()
        module.text_project.weight.data.zero_()  # leave the gathered part alone
        module.text_project.bias.data.fill_(1.0)
        rows = module(words, mask, pixels)[0, :3]
        assert torch.allclose(rows[0], rows[1]) is expected
        assert torch.allclose(rows[0], rows[2]) is expected
        assert F.gelu(rows).abs().sum() > 0


def test_truth_15_padding_changes_no_real_word_in_binary_mode():
    pixels, words, mask = inputs()
    module = TextPWAM(TEXT, CHANNELS).double()
    short = module(words[:, :3], mask[:, :3], pixels)
    assert (short[0] - module(words, mask, pixels)[0, :3]).abs().max() < 1e-12
    released = TextPWAM(TEXT, CHANNELS, 'additive').double()
    released.load_state_dict(module.state_dict())
    change = released(words[:, :3], mask[:, :3], pixels) - released(words, mask, pixels)[:, :3]
    assert change[0].abs().max() > 1e-3  # as published


def test_truth_15_a_sentence_without_a_token_gives_no_nan():
    pixels, words, mask = (x.detach().float() for x in inputs())
    assert TextPWAM(TEXT, CHANNELS)(words, mask * 0, pixels).isfinite().all()
    for norm in ('instance', 'layer'):
        assert PWAM(CHANNELS, TEXT, norm=norm)(pixels, words, mask * 0).isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('text_mask', ['binary', 'additive'])
def test_truth_42_half_precision(dtype, text_mask):
    torch.manual_seed(0)
    exact = TextPWAM(TEXT, CHANNELS, text_mask)
    pixels, words, mask = (x.detach().float() for x in inputs())
    words = 20 * words  # queries that times -10000 are beyond float16's 65504
    expected = exact(words, mask, pixels)
    with torch.autocast('cpu', dtype):
        mixed = exact(words, mask, pixels)
    mixed.float().sum().backward()
    assert all(value.grad.isfinite().all() for value in exact.parameters())
    half = exact.to(dtype)(words.to(dtype), mask, pixels.to(dtype))
    assert half.dtype == dtype
    for low in (mixed.float(), half.float()):
        assert low.isfinite().all()
        real = mask.bool()
        assert torch.cosine_similarity(low[real], expected[real]).min() > 0.98
