# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Fails when the demo's scores miss what RefShapes asks of a working model.

The controls matter as much as the score: with another object's sentence, or with none, a model
that reads its sentences must do badly.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

KINDS = ('attribute', 'place', 'relation')


def missed_bars(results: dict) -> list[str]:
    """Sentences on every bar that ``results.json`` misses.

    Args:
        results: scores in percent per split, as written by ``tools/test.py --json``.
    """
    val = results['val']
    at_least = {'val oIoU': (val['oIoU'], 70.0), 'val P@0.9': (val['P@0.9'], 25.0)}
    for kind in KINDS:
        at_least[f'val {kind} oIoU'] = (val['by_kind'][kind]['oIoU'], 60.0)
    at_most = {
        'val_shuffled oIoU': (results['val_shuffled']['oIoU'], 8.0),
        'val_blank oIoU': (results['val_blank']['oIoU'], 40.0),
    }
    # Written so that NaN misses every bar.
    missed = [
        f'{name} is {score:.2f}, below the bar of {bar:.0f}'
        for name, (score, bar) in at_least.items()
        if not score >= bar
    ]
    missed += [
        f'{name} is {score:.2f}, above the bar of {bar:.0f}'
        for name, (score, bar) in at_most.items()
        if not score <= bar
    ]
    return missed


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('results', type=Path, help='results.json of tools/test.py --json')
    missed = missed_bars(json.loads(parser.parse_args().results.read_text(encoding='utf-8')))
    if missed:
        raise SystemExit('The scores miss the bars:\n  ' + '\n  '.join(missed))
    print('All scores are within the bars.')


if __name__ == '__main__':
    main()
