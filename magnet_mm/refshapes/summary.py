# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Counts of a RefShapes data set: what its tool prints, and what its tests look at."""

from __future__ import annotations

import collections
from typing import Any

from magnet_mm.refshapes.semantics import KINDS


def summarise(instances: dict[str, Any], refs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Count each split's images, refs, sentences and kinds.

    Args:
        instances: Content of ``instances.json``.
        refs: Content of ``refs(unc).p``.

    Returns:
        ``{split: {'images', 'refs', 'sentences', 'kinds': {kind: number}, 'mean_mask'}}``, the mean
        mask of the refs as a share of the image. Splits without refs are absent.
    """
    pixels = {image['id']: image['height'] * image['width'] for image in instances['images']}
    shares = {a['id']: a['area'] / pixels[a['image_id']] for a in instances['annotations']}
    by_split: dict[str, list[dict[str, Any]]] = {}
    for ref in refs:
        by_split.setdefault(ref['split'], []).append(ref)
    summary = {}
    for split, mine in by_split.items():
        kinds = collections.Counter(s['kind'] for ref in mine for s in ref['sentences'])
        summary[split] = {
            'images': len({ref['image_id'] for ref in mine}),
            'refs': len(mine),
            'sentences': sum(kinds.values()),
            'kinds': {kind: kinds[kind] for kind in KINDS},
            'mean_mask': round(sum(shares[ref['ann_id']] for ref in mine) / len(mine), 5),
        }
    return summary


def summary_table(summary: dict[str, dict[str, Any]]) -> str:
    """Return the summary as lines of text."""
    heads = ''.join(f' {kind:>16}' for kind in KINDS)
    lines = [f'{"split":6} {"images":>7} {"refs":>6} {"sentences":>9}{heads}  mean mask/image']
    for split, row in summary.items():
        total = row['sentences']
        kinds = ''.join(f' {n:8} ({n / total:5.1%})' for n in row['kinds'].values())
        counts = f'{split:6} {row["images"]:7} {row["refs"]:6} {total:9}'
        lines.append(f'{counts}{kinds}  {row["mean_mask"]:.2%}')
    return '\n'.join(lines)
