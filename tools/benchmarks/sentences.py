# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What more sentences of one image cost, in the encoders and in the head."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.model import Workload, build_model, random_inputs
from benchmarks.timing import interleave, summarise
from magnet_mm.models.targets import stack_text


def measure_sentences(workload: Workload) -> dict:
    """Time one sentence of an image against many of them, predicted together.

    Args:
        workload: ``batch`` is the number of sentences.

    Returns:
        ``sentences``; for ``encoders`` (image and text, with what is fused in them), ``head`` and
        ``both`` the seconds of ``one`` and of ``many`` and the ``ratio`` of the fastest of each.
    """
    cfg = workload.read()
    model = build_model(cfg, workload).eval().requires_grad_(False).to(workload.dtype)
    images, samples = random_inputs(cfg, workload)
    image = images[:1].to(workload.dtype)
    text = stack_text(samples)
    calls: list[Callable[[], object]] = []
    with torch.inference_mode():
        for number in (1, workload.batch):
            few = {name: values[:number] for name, values in text.items()}
            few['image_of'] = torch.zeros(number, dtype=torch.int64, device=workload.device)
            features = model.extract_feat(image, **few)
            calls += [
                lambda few=few: model.extract_feat(image, **few),
                lambda features=features: model.decode_head(features),
                lambda few=few: model.predict_tensors(image, **few),
            ]
        seconds = interleave(calls, workload.device, workload.repeats)
    result = dict(config=workload.config, sentences=workload.batch)
    for place, part in enumerate(('encoders', 'head', 'both')):
        one, many = summarise(seconds[place]), summarise(seconds[place + 3])
        result[part] = dict(one=one, many=many, ratio=many['min'] / one['min'])
    return result
