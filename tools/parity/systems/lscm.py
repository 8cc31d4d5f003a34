# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LSCM behind its backbone (docs/methods/lscm.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from magnet_mm.released.lscm import LSCM
from magnet_mm.structures import CrossModalFeatures
from parity.golden import Case
from parity.tf_layout import TOLERANCE as TOLERANCE
from parity.tf_layout import Calls, build_head, maps, row, run

LEVELS = ('c2', 'c3', 'c4', 'c5')
FULL = ('pred', 'up')
RELATIVE = ('loss_final', 'loss_c5', 'loss_c4', 'loss_c3', 'loss_c2', 'loss_l2')


def build(
    keys: Mapping[str, Any],
    fill_keys: Mapping[str, Any] | None,
    variant: str,
    config: Path | str | None = None,
) -> nn.Module:
    """Build LSCM with the vocabulary and the grid of the keys."""
    return build_head('lscm_r101.py', LSCM, keys, fill_keys, config)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    head = model.decode_head

    def own(calls: Calls, given: CrossModalFeatures) -> Iterator[tuple[str, Tensor]]:
        mask = given.word_mask
        _, words, _, tree = calls.inputs('graph_c3')
        kept = mask[0].bool()
        yield 'words_norm', row(words, mask)
        yield 'lang_feat', calls.inputs('input_c3')[1][:, :, None, None]
        for name in LEVELS:
            cells = calls.inputs(f'graph_{name}')[0]
            graph = head.graphs[name]
            _, nodes = graph.gather(cells, words)
            yield f'adj_{name}', graph.propagation(nodes, mask, tree)[:, kept][:, :, kept]
            yield f'gconv_{name}', row(graph.reason(nodes, mask, tree), mask)
            yield f'lscm_{name}', maps(calls.inputs(f'fusion_{name}')[1])

    return run(model, case, own)
