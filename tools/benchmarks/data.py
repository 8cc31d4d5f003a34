# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The input pipeline alone: items per second, where their time goes, and what start-up costs."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from benchmarks.machine import peak_memory
from benchmarks.model import Workload
from magnet_mm.datasets import ReferringDataset

# RefCOCO (unc): 142,210 sentences of 50,000 objects on 19,994 images [docs/data.md].
SENTENCES, OBJECTS, IMAGES = 142_210, 50_000, 19_994
WORDS = ('man', 'left', 'red', 'shirt', 'second', 'dog')


def measure_data(workload: Workload, items: int = 512) -> dict:
    """Return the training pipeline of a config.

    Args:
        workload: ``batch`` items make one batch.
        items: how many are read.

    Returns:
        ``images_per_second`` of the loader with the config's workers, ``in_process`` the same
        without workers, ``transforms``: seconds per item of every transform, ``workers``.
    """
    cfg = workload.read()
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    loader = dict(cfg.train_dataloader, batch_size=workload.batch)
    rates = {}
    for name, workers in (('images_per_second', loader['num_workers']), ('in_process', 0)):
        built = Runner.build_dataloader(
            dict(loader, num_workers=workers, persistent_workers=workers > 0), seed=0
        )
        rates[name] = _rate(built, workload.batch, items)
    return dict(
        config=workload.config,
        batch=workload.batch,
        workers=loader['num_workers'],
        **rates,
        transforms=_time_transforms(built.dataset, items),
    )


def _rate(loader, batch: int, items: int) -> float:
    """Items per second; the first batch, while workers start, is not timed."""
    batches = iter(loader)
    next(batches)
    start = time.perf_counter()
    count = sum(1 for _ in itertools.islice(batches, max(1, items // batch)))
    return count * batch / (time.perf_counter() - start)


def _time_transforms(dataset, items: int) -> dict[str, float]:
    """Mean seconds of every transform per item."""
    seconds: dict[str, float] = defaultdict(float)
    count = min(items, len(dataset))
    for index in range(count):
        results = dataset.get_data_info(index)
        for transform in dataset.pipeline.transforms:
            start = time.perf_counter()
            results = transform(results)
            seconds[type(transform).__name__] += time.perf_counter() - start
    return {name: total / count for name, total in seconds.items()}


def measure_start_up() -> dict[str, float]:
    """Read generated annotations of RefCOCO's size.

    Returns:
        ``seconds`` until the dataset is ready, ``memory_bytes`` that the process takes more at the
        highest point, and ``sentences``.
    """
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        _write_annotations(Path(folder))
        before = psutil.Process().memory_info().rss
        start = time.perf_counter()
        with peak_memory(torch.device('cpu')) as memory:
            dataset = ReferringDataset(
                data_root=folder,
                ann_file='instances.json',
                refs_file='refs(unc).p',
                test_mode=True,
                split='train',
                data_prefix=dict(img_path=''),
            )
            sentences = len(dataset)
        seconds = time.perf_counter() - start
    return dict(seconds=seconds, memory_bytes=memory['bytes'] - before, sentences=sentences)


def _write_annotations(folder: Path) -> None:
    """``instances.json`` and ``refs(unc).p`` with RefCOCO's counts and polygons of its length."""
    generator = random.Random(0)
    images = [
        dict(id=i, file_name=f'COCO_train2014_{i:012}.jpg', height=480, width=640)
        for i in range(IMAGES)
    ]
    annotations, refs, sentence_id = [], [], 0
    for index in range(OBJECTS):
        image = index % IMAGES
        points = [round(generator.uniform(0, 480), 2) for _ in range(2 * generator.randint(15, 60))]
        annotations.append(
            dict(id=index, image_id=image, category_id=1, segmentation=[points], iscrowd=0)
        )
        # The remainder of the division goes to the first objects.
        count = SENTENCES // OBJECTS + (index < SENTENCES % OBJECTS)
        sentences = []
        for _ in range(count):
            text = ' '.join(
                generator.choices(('man', 'left', 'red', 'shirt', 'second', 'dog'), k=4)
            )
            sentences.append(dict(raw=text, sent=text, sent_id=sentence_id, tokens=text.split()))
            sentence_id += 1
        refs.append(
            dict(ref_id=index, ann_id=index, category_id=1, image_id=image, split='train',
                 file_name='', sent_ids=[s['sent_id'] for s in sentences], sentences=sentences)
        )  # fmt: skip
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='object')])
    (folder / 'instances.json').write_text(json.dumps(content), encoding='utf-8')
    (folder / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))
