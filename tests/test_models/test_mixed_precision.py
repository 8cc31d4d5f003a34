# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every small system under autocast: finite in float16, the same answer in bfloat16."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from small_models import shrink

from magnet_mm.engine.run_setup.runtime import fit_to_machine
from magnet_mm.models.targets import stack_text

ROOT = Path(__file__).resolve().parents[2] / 'configs'
TINY = sorted(path.stem for path in ROOT.glob('*_tiny_*refshapes.py'))
STEPS = 10


@pytest.fixture(params=TINY)
def trained(request, build_model, make_samples):
    """A system that was trained on two images, and these."""
    config = Config.fromfile(str(ROOT / f'{request.param}.py'))
    fit_to_machine(config, training=True)
    model = build_model(shrink(config.model)).train()
    images, samples = make_samples(batch=2, size=64)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(STEPS):
        optimiser.zero_grad()
        model.parse_losses(model.loss(images, copy.copy(samples)))[0].backward()
        optimiser.step()
    return model, images, samples


def test_finite_in_half_precision_and_the_same_in_bfloat16(trained):
    model, images, samples = trained
    text = stack_text(samples)
    logits = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        with torch.autocast('cpu', dtype, enabled=dtype is not torch.float32):
            model.train().zero_grad()
            torch.manual_seed(0)
            loss, terms = model.parse_losses(model.loss(images, copy.copy(samples)))
            with torch.no_grad():
                logits[dtype] = model.eval().predict_logits(images, **text).float()
        loss.backward()
        assert loss.dtype is torch.float32 and all(torch.isfinite(term) for term in terms.values())
        unusable = [
            name
            for name, p in model.named_parameters()
            if p.grad is not None and not torch.isfinite(p.grad).all()
        ]
        assert not unusable, dtype
        assert torch.isfinite(logits[dtype]).all(), dtype
    exact = logits[torch.float32].flatten(1)
    similarity = F.cosine_similarity(logits[torch.bfloat16].flatten(1), exact)
    assert similarity.min() >= 0.98
