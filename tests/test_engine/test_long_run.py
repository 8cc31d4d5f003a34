# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""2,000 iterations and 50 evaluations of MagNet on RefShapes: nothing grows."""

import multiprocessing
from pathlib import Path

import psutil
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

import magnet_mm  # noqa: F401  registers the components
from magnet_mm.engine.run_setup.host_memory import keep_freed_memory
from magnet_mm.refshapes import write_refshapes

ROOT = Path(__file__).resolve().parents[2]
EPOCHS, ITERATIONS = 50, 40
MEGABYTE = 2**20


@HOOKS.register_module(force=True)
class ResourceHook(Hook):
    """Writes down what the processes hold after each evaluation."""

    def __init__(self, path: str) -> None:
        self.path = path

    def after_val_epoch(self, runner, metrics=None) -> None:
        process = psutil.Process()
        family = [process, *process.children(recursive=True)]
        shared = [f for p in family for f in Path('/dev/shm').glob(f'torch_{p.pid}_*')]
        line = (
            f'{runner.iter} {process.memory_info().rss / MEGABYTE:.1f} '
            f'{sum(p.memory_info().rss for p in family[1:]) / MEGABYTE:.1f} '
            f'{sum(p.num_fds() for p in family)} {len(family)} {len(shared)}'
        )
        with open(self.path, 'a') as file:
            print(line, file=file)


def train(folder):
    torch.set_num_threads(1)
    cfg = Config.fromfile(str(ROOT / 'configs/magnet_tiny_refshapes.py'))
    train_set, val_set = (cfg[f'{name}_dataloader'].dataset for name in ('train', 'val'))
    for dataset in (train_set, val_set):
        dataset.data_root = str(folder / 'data')
        dataset.pipeline[2].scale = (32, 32)
    val_set.indices = 8
    head, text = cfg.model.decode_head, cfg.model.backbone.text
    cfg.model.data_preprocessor.size = (32, 32)
    cfg.model.backbone.visual.update(base_channels=8, stem_channels=8)
    text.config.update(hidden_size=32, num_attention_heads=2, intermediate_size=32)
    head.update(channels=32, encoder_ffn_channels=32, decoder_layers=1, decoder_ffn_channels=32)
    cfg.model.auxiliary_head[0].update(num_layers=1, num_heads=2, ffn_channels=32)
    cfg.merge_from_dict(
        dict(
            work_dir=str(folder / 'run'),
            train_cfg=dict(max_epochs=EPOCHS, val_interval=1),
            train_dataloader=dict(batch_size=2, num_workers=2),
            val_dataloader=dict(batch_size=4, num_workers=1),
            custom_hooks=[dict(type='ResourceHook', path=str(folder / 'resources'))],
        )
    )
    train_set.indices = 2 * ITERATIONS
    keep_freed_memory()  # as tools/train.py does
    Runner.from_cfg(cfg).train()


@pytest.mark.faults
def test_nothing_grows(tmp_path):
    write_refshapes(tmp_path / 'data', 0, dict(train=40, val=4, testA=1, testB=1))
    process = multiprocessing.get_context('fork').Process(target=train, args=(tmp_path,))
    process.start()
    process.join(3600)
    assert process.exitcode == 0
    lines = (tmp_path / 'resources').read_text().splitlines()
    rows = [[float(number) for number in line.split()] for line in lines]
    print('\niteration  memory MB  of workers MB  open files  processes  shared files')
    for row in rows[::7] + rows[-1:]:
        print('{:9.0f} {:10.1f} {:14.1f} {:11.0f} {:10.0f} {:13.0f}'.format(*row))
    assert len(rows) == EPOCHS and rows[-1][0] == EPOCHS * ITERATIONS
    early, late = rows[EPOCHS // 5 : EPOCHS // 2], rows[-EPOCHS // 5 :]
    for column, limit in ((1, 20), (2, 20), (3, 2), (4, 0), (5, 2)):
        growth = min(r[column] for r in late) - min(r[column] for r in early)
        assert growth <= limit, f'column {column} grows by {growth}'
