# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Memory and remaining time in the log of a machine without CUDA."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from magnet_mm.engine.diagnostics.memory_log_processor import peak_memory


def test_peak_memory_grows_by_what_is_allocated():
    before = peak_memory()
    block = torch.ones(before + 100, 2**20 // 4)  # megabytes
    assert before + 100 <= peak_memory() <= 2 * before + 500
    del block
    assert peak_memory() >= before + 100  # a peak does not fall


@pytest.mark.skipif(torch.cuda.is_available(), reason='mmengine logs the memory of CUDA itself')
def test_log_has_memory_and_remaining_time(make_runner):
    runner = make_runner('run', epochs=1)
    runner.cfg.dump(Path(runner.work_dir) / 'config.py')
    runner.train()
    folder = Path(runner.work_dir) / runner.timestamp
    log = (folder / f'{runner.timestamp}.log').read_text()
    line = next(line for line in log.splitlines() if 'Epoch(train)' in line)
    assert re.search(r'eta: \d+:\d\d:\d\d  time: [\d.]+ .* memory: [1-9]\d*$', line)
    scalars = [json.loads(row) for row in (folder / 'vis_data/scalars.json').open()]
    memory = next(row['memory'] for row in scalars if 'loss' in row)
    assert memory == int(line.rsplit(' ', 1)[1])
    assert 50 < memory <= peak_memory()
