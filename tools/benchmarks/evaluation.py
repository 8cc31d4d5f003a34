# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Evaluation of a split: sentence by sentence, in batches, and with shared images."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from benchmarks.model import Workload, build_model
from benchmarks.timing import summarise, synchronise


def measure_evaluation(workload: Workload, items: int = 128, turns: int = 2) -> dict:
    """Return the first items of the config's test split, from the files to the masks.

    Everything runs in this process, without loader workers, so that the ratios do not depend on
    their number. The model has random weights: what is computed does not depend on them.

    Args:
        workload: ``batch`` is the number of sentences per batch.
        items: how many of the split, in the order of the images.
        turns: repeats; the three ways take turns, the fastest of each counts.

    Returns:
        ``items``, the seconds of ``one_by_one`` (batch 1, every image read and encoded for every
        sentence), ``batched`` (the same in batches) and ``shared`` (in batches, images shared), and
        the ratios ``speed_up`` (one by one / shared), ``from_batching`` (one by one / batched) and
        ``from_sharing`` (batched / shared).
    """
    cfg = workload.read()
    model = build_model(cfg, workload).eval()
    ways = dict(
        one_by_one=Way(cfg, model, 1, items, share=False),
        batched=Way(cfg, model, workload.batch, items, share=False),
        shared=Way(cfg, model, workload.batch, items, share=True),
    )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            seconds[name].append(way.run(workload.device))
    one, batched, shared = (min(seconds[name]) for name in ways)
    return dict(
        config=workload.config,
        batch=workload.batch,
        items=min(items, ways['shared'].length),
        seconds={name: summarise(times) for name, times in seconds.items()},
        speed_up=one / shared,
        from_batching=one / batched,
        from_sharing=batched / shared,
    )


class Way:
    """One way to evaluate the first items of a config's test split, in the order of the images.

    Args:
        cfg: the complete config.
        model: its model, in evaluation mode.
        batch: sentences per batch.
        items: how many of the split; whole batches are read.
        share: whether neighbours with the same image have it read and encoded once.
    """

    def __init__(
        self, cfg: Config, model: torch.nn.Module, batch: int, items: int, share: bool
    ) -> None:
        loader = dict(cfg.test_dataloader, num_workers=0, persistent_workers=False)
        loader.update(batch_size=batch, sampler=dict(type='ImageSampler'))
        self.loader = Runner.build_dataloader(loader, seed=0)
        self.model = model
        self.share = share
        self.length = len(self.loader.dataset)
        self.batches = -(-items // batch)
        if not share:
            self.loader.dataset._run = self.loader.dataset.pipeline

    def predict(self) -> Iterator[SegDataSample]:
        """Predict the samples' masks; images enter the model in the type of its weights."""
        dtype = next(self.model.parameters()).dtype
        with torch.inference_mode():
            for batch in itertools.islice(self.loader, self.batches):
                data = self.model.data_preprocessor(batch, False)
                yield from self.model.predict(
                    data['inputs'].to(dtype), data['data_samples'], share_images=self.share
                )

    def run(self, device: torch.device) -> float:
        """Seconds for all of them."""
        start = time.perf_counter()
        for _ in self.predict():
            pass
        synchronise(device)
        return time.perf_counter() - start
