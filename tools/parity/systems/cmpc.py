# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CMPC behind its backbone (docs/methods/cmpc.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.released.cmpc import CMPC
from magnet_mm.structures import CrossModalFeatures
from parity.golden import Case
from parity.tf_layout import TOLERANCE as TOLERANCE
from parity.tf_layout import Calls, build_head, maps, row, run

LEVELS = ('c3', 'c4', 'c5')
FULL = ('pred', 'up')
RELATIVE = ('loss_final', 'loss_c5', 'loss_c4', 'loss_c3', 'loss_l2')


def build(
    keys: Mapping[str, Any],
    fill_keys: Mapping[str, Any] | None,
    variant: str,
    config: Path | str | None = None,
) -> nn.Module:
    """Build CMPC with the vocabulary and the grid of the keys."""
    return build_head('cmpc_r101.py', CMPC, keys, fill_keys, config)


def outputs(model: nn.Module, case: Case) -> dict[str, Tensor]:
    """Run a case."""
    head = model.decode_head

    def own(calls: Calls, given: CrossModalFeatures) -> Iterator[tuple[str, Tensor]]:
        mask = given.word_mask
        cells, words, relation, _ = calls.inputs('graph_c3')
        yield 'words_norm', row(words, mask)
        yield 'words_parse', row(head.word_types(words).softmax(-1), mask)
        yield 'valid_lang', calls.inputs('input_c3')[1][:, :, None, None]
        yield 'nec_lang', calls.inputs('exchange_0_c3')[2][:, :, None, None]
        for name in LEVELS:
            cells, words, relation, _ = calls.inputs(f'graph_{name}')
            to_words, to_cells = head.graphs[name].attend(cells, words, relation, mask)
            graph = calls.output(f'graph_{name}')
            yield f'adj_{name}', to_words @ to_cells.transpose(1, 2)
            yield f'gconv_{name}', row(graph)
            yield f'graph_{name}', maps(calls.inputs(f'fusion_{name}')[1])
            for turn, suffix in enumerate(('', '_2')):
                exchanged = calls.output(f'exchange_{turn}_{name}')
                yield f'exchange_{name}{suffix}', maps(exchanged)
                summary = F.normalize(calls.output(f'summary_{turn}_{name}'), dim=-1, eps=1e-6)
                yield f'gvec_{name}{suffix}gv_f1', summary[:, :, None, None]

    return run(model, case, own)
