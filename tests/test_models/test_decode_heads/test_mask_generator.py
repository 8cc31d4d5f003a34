# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The mask generator: DETR's decoder over the last fused map, with torch's attention."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.layers import SinePositionalEncoding

from magnet_mm.models.decode_heads import MaskGenerator

C, E, N = 10, 16, 5


@pytest.fixture
def generator() -> MaskGenerator:
    module = MaskGenerator(C, E, N, num_layers=2, num_heads=4, ffn_channels=24)
    module.init_weights()
    return module.eval()


def attend(attention, query, key, value):
    """Multi-head attention with a residual, from torch's functional attention."""
    wq, wk, wv = attention.in_proj_weight.chunk(3)
    bq, bk, bv = attention.in_proj_bias.chunk(3)

    def heads(x):
        return x.unflatten(-1, (4, -1)).transpose(1, 2)

    out = F.scaled_dot_product_attention(
        heads(F.linear(query, wq, bq)), heads(F.linear(key, wk, bk)), heads(F.linear(value, wv, bv))
    )
    return attention.out_proj(out.transpose(1, 2).flatten(2))


def test_layers_written_out(generator):
    feature = torch.randn(2, C, 3, 4)
    memory = generator.input_project(feature.flatten(2).mT)
    position = SinePositionalEncoding(E // 2, normalize=True)(torch.zeros(1, 3, 4)).flatten(2).mT
    place = generator.query_embed.weight.expand(2, -1, -1)
    query = generator.query_feat.weight.expand(2, -1, -1)
    for layer in generator.decoder.layers:
        looked = attend(layer.self_attn.attn, query + place, query + place, query)
        query = layer.norms[0](query + looked)
        looked = attend(layer.cross_attn.attn, query + place, memory + position, memory)
        query = layer.norms[1](query + looked)
        hidden = F.relu(layer.ffn.layers[0][0](query))
        query = layer.norms[2](query + layer.ffn.layers[1](hidden))
    expected = generator.decoder.post_norm(query)
    torch.testing.assert_close(generator(feature), expected, rtol=1e-4, atol=1e-5)


def test_queries_differ_and_know_places(generator):
    feature = torch.randn(1, C, 4, 4)
    out = generator(feature)
    assert out.shape == (1, N, E)
    assert torch.cdist(out[0], out[0]).fill_diagonal_(9).min() > 1e-2
    assert (generator(feature.flip(3)) - out).abs().max() > 1e-3


def test_every_parameter_learns(generator):
    """Also the first self-attention, which zero queries would leave without any gradient."""
    out = generator.train()(torch.randn(2, C, 3, 3))
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad.abs().max() > 1e-8, name
