# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The compiled encoder stands in the model and gives the same masks."""

from types import SimpleNamespace

import pytest
import torch

from magnet_mm.engine import CompileHook
from magnet_mm.models.targets import stack_text


@pytest.mark.slow
def test_same_masks_from_the_compiled_encoder(build_model, tiny_magnet_config, make_samples):
    model = build_model(tiny_magnet_config()).eval()
    names = list(model.state_dict())
    images, samples = make_samples(batch=2)
    text = tuple(stack_text(samples).values())
    graphs = []

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    with torch.no_grad():
        expected = model.predict_logits(images, *text)
        torch._dynamo.reset()
        CompileHook(dict(backend=backend)).before_run(SimpleNamespace(model=model))
        assert not graphs
        logits = model.predict_logits(images, *text)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert len(graphs) == 1
    assert list(model.state_dict()) == names
