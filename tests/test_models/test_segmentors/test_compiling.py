# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``predict_logits`` is one graph for torch.compile (no graph break), with the same result."""

import pytest
import torch

from magnet_mm.models.targets import stack_text


@pytest.mark.slow
def test_tiny_magnet_in_one_graph(build_model, tiny_magnet_config, make_samples):
    model = build_model(tiny_magnet_config()).eval()
    images, samples = make_samples(batch=2)
    text = stack_text(samples)
    compiled = torch.compile(model.predict_logits, backend='eager', fullgraph=True)
    with torch.no_grad():
        expected = model.predict_logits(images, *text)
        torch.testing.assert_close(compiled(images, *text), expected, rtol=1e-4, atol=1e-5)
        # nothing that the tracer made was kept for later forward passes
        torch.testing.assert_close(model.predict_logits(images, *text), expected)
