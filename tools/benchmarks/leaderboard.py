# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The table of all systems: scores, size and speed here, and what was published elsewhere.

The set is read as an ablation set (:mod:`benchmarks.ablation`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from analysis_tools.get_flops import count_costs
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

from benchmarks.ablation import (
    AblationRow,
    AblationRun,
    AblationSet,
    markdown_row,
    published,
    spread,
)
from benchmarks.timing import interleave, summarise
from magnet_mm.engine.run_setup import runtime
from magnet_mm.errors import ConfigError

SPLITS = ('val', 'testA', 'testB', 'val_shuffled', 'val_blank')
SCORES = tuple(f'{split} {name}' for split in SPLITS for name in ('oIoU', 'mIoU', 'P@0.5', 'P@0.9'))
COSTS = ('parameters', 'GMACs', 'ms per image', 'minutes')
_PUBLISHED = ('oIoU', 'mIoU', 'P@0.5', 'P@0.7', 'P@0.9')
_REPEATS = 30


def system_of(row: AblationRow) -> str:
    """``lavt`` for ``lavt_tiny_refshapes.py``."""
    return row.config.stem.split('_')[0]


def choose(
    ablation: AblationSet, names: Sequence[str] | None
) -> tuple[list[AblationRow], list[AblationRow]]:
    """Return the rows that are asked for, and those of all rows whose config does not exist.

    Raises:
        ConfigError: for a name that the set does not have, or whose config does not exist.
    """
    absent = [row for row in ablation.rows if not row.config.is_file()]
    known = {system_of(row): row for row in ablation.rows if row not in absent}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise ConfigError(
            f'The leaderboard has no {", ".join(unknown)}; it has: {", ".join(sorted(known))}.'
        )
    return [row for name, row in known.items() if not names or name in names], absent


def measure_costs(run: AblationRun) -> dict[str, float]:
    """Parameters, GMACs and milliseconds of one image with one sentence, of the val split.

    Parameters are those of inference, without training-only heads. The time is the median of
    ``predict_logits`` on the CPU with torch's own number of threads; images are read before.
    """
    cfg = runtime.load_config(str(run.row.config), run.options)
    runtime.fit_to_machine(cfg, training=False)
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    model = MODELS.build(cfg.model).eval()
    batch = model.data_preprocessor(pseudo_collate([dataset[0]]), False)
    samples = batch['data_samples']
    text = [torch.stack([s.get(n) for s in samples]) for n in ('input_ids', 'attention_mask')]
    with torch.inference_mode():
        seconds = interleave(
            [lambda: model.predict_logits(batch['inputs'], *text)],
            torch.device('cpu'),
            _REPEATS,
            warmup=3,
        )[0]
    height, width = batch['inputs'].shape[-2:]
    costs = count_costs(model, (height, width), text[0].shape[1])
    inference = [cost for part, cost in costs.items() if not part.startswith('auxiliary head')]
    return {
        'parameters': sum(cost.parameters for cost in inference),
        'GMACs': sum(cost.macs for cost in inference) / 1e9,
        'ms per image': 1000 * summarise(seconds)['median'],
    }


def flatten(scores: dict[str, dict[str, Any]]) -> dict[str, float]:
    """``{'val': {'oIoU': 60.0, ...}}`` to ``{'val oIoU': 60.0, ...}``."""
    return {name: scores[name.split()[0]][name.split()[1]] for name in SCORES}


def measured_table(rows: Sequence[AblationRow], runs: Sequence[AblationRun]) -> list[str]:
    """Lines of Markdown: one per system, means over its finished seeds, best val oIoU first."""
    header = ['system', *SPLITS, 'val, over seeds', 'parameters', 'GMACs', 'ms', 'minutes', 'seeds']
    lines = []
    for row in rows:
        done = [(run, run.scores()) for run in runs if run.row == row]
        done = [(run, scores) for run, scores in done if scores is not None]
        if not done:
            lines.append((-1.0, [row.label, *['-'] * (len(header) - 1)]))
            continue
        mean = {
            name: sum(scores[name] for _, scores in done) / len(done) for name in (*SCORES, *COSTS)
        }
        lines.append(
            (
                mean['val oIoU'],
                [
                    row.label,
                    *(f'{mean[f"{s} oIoU"]:.1f} / {mean[f"{s} P@0.5"]:.1f}' for s in SPLITS),
                    spread([scores['val oIoU'] for _, scores in done]),
                    f'{mean["parameters"] / 1e6:.2f} M',
                    f'{mean["GMACs"]:.3f}',
                    f'{mean["ms per image"]:.1f}',
                    '-' if math.isnan(mean['minutes']) else f'{mean["minutes"]:.1f}',
                    ', '.join(str(run.seed) for run, _ in done),
                ],
            )
        )
    lines.sort(key=lambda line: -line[0])
    alignment = ['---', *['---:'] * (len(header) - 2), '---']
    return [markdown_row(cells) for cells in (header, alignment, *(cells for _, cells in lines))]


def published_table(index: Path) -> list[str]:
    """Lines of Markdown: what was published for RefCOCO val, highest value first.

    Args:
        index: ``model-index.yml``; the numbers are in the metafiles that it names, their sources
            on the pages. CoupAlign's table of numbers of masks is left out.
    """
    lines = []
    for name in yaml.safe_load(index.read_text(encoding='utf-8'))['Import']:
        content = yaml.safe_load((index.parent / name).read_text(encoding='utf-8'))
        (collection,) = content['Collections']
        for model in content['Models']:
            found = [r['Metrics'] for r in model['Results'] if r['Dataset'] == 'RefCOCO val']
            if not found or re.search(r'_n\d+_', model['Name']):
                continue
            numbers = [found[0].get(f'{metric} (published)') for metric in _PUBLISHED]
            cells = [collection['Name'], f'`{model["Name"]}`', *map(published, numbers)]
            best = next(number for number in numbers if number is not None)
            page = collection['README'].removeprefix('docs/')
            lines.append((best, [*cells, f'[{Path(page).stem}]({page})']))
    lines.sort(key=lambda line: -line[0])
    header = ['system', 'config', *_PUBLISHED, 'source']
    alignment = ['---', '---', *['---:'] * len(_PUBLISHED), '---']
    return [markdown_row(cells) for cells in (header, alignment, *(cells for _, cells in lines))]
