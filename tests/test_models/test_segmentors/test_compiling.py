# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``predict_logits`` is one graph for torch.compile (no graph break), and so is the encoder."""

import copy

import pytest
import torch

from magnet_mm.models.targets import stack_text


@pytest.mark.slow
def test_tiny_magnet_in_one_graph(build_model, tiny_magnet_config, make_samples):
    model = build_model(tiny_magnet_config()).eval()
    images, samples = make_samples(batch=2)
    text = tuple(stack_text(samples).values())
    compiled = torch.compile(model.predict_logits, backend='eager', fullgraph=True)
    with torch.no_grad():
        expected = model.predict_logits(images, *text)
        torch.testing.assert_close(compiled(images, *text), expected, rtol=1e-4, atol=1e-5)
        # nothing that the tracer made was kept for later forward passes
        torch.testing.assert_close(model.predict_logits(images, *text), expected)


@pytest.mark.slow
def test_encoder_in_one_graph_in_training(build_model, tiny_magnet_config, make_samples):
    """What CompileHook compiles: losses and gradients stay."""
    model = build_model(tiny_magnet_config()).train()
    images, samples = make_samples(batch=2)

    def step():
        torch.manual_seed(1)  # dropout, the hidden words
        model.zero_grad()
        loss, _ = model.parse_losses(model.loss(images, copy.copy(samples)))
        loss.backward()
        return loss.item(), {name: p.grad for name, p in model.named_parameters()}

    loss, gradients = step()
    torch._dynamo.reset()
    model.extract_feat = torch.compile(model.extract_feat, backend='aot_eager', fullgraph=True)
    compiled_loss, compiled_gradients = step()
    assert compiled_loss == pytest.approx(loss, rel=1e-5)
    for name, expected in gradients.items():
        if expected is None:
            assert compiled_gradients[name] is None, name
        else:
            torch.testing.assert_close(
                compiled_gradients[name], expected, rtol=1e-3, atol=1e-5, msg=name
            )
