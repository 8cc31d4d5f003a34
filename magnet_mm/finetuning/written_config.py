# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The config of a fine-tuning: the base as it is, and a file of what is different, with reasons."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from magnet_mm.atomic_files import write_atomically
from magnet_mm.config_types import type_name
from magnet_mm.errors import ConfigError
from magnet_mm.finetuning.own_data import TRAIN, VAL, OwnData
from magnet_mm.finetuning.plan import PATIENCE, Plan, Recipe

BASE, CONFIG = 'base.py', 'finetune.py'


def recipe_of(cfg: Config) -> Recipe:
    """Return the batch and the learning rate of a config.

    Raises:
        ConfigError: It has no single optimiser with a learning rate.
    """
    rate = (cfg.get('optim_wrapper') or {}).get('optimizer', {}).get('lr')
    if rate is None:
        raise ConfigError('The config has no optim_wrapper.optimizer.lr to start from.')
    batch = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    return Recipe(batch or cfg.train_dataloader.get('batch_size', 1), rate)


def pipeline_of(dataset: dict) -> list[dict]:
    """Return the pipeline of a data set, of the first part of a wrapper or mixture."""
    while 'pipeline' not in dataset:
        dataset = dataset['datasets'][0] if 'datasets' in dataset else dataset['dataset']
    return list(dataset['pipeline'])


def without_pretrained(model: Any, keys: Sequence[str] = ('pretrained', 'vectors')) -> None:
    """Take out of a model's config what would be loaded before the checkpoint, in place.

    Args:
        model: The config, or a part of it.
        keys: Names of the arguments that name files, beside ``init_cfg``.
    """
    if isinstance(model, dict):
        for key in keys:
            if model.get(key) is not None:
                model[key] = None
        entries = model.get('init_cfg')
        entries = entries if isinstance(entries, list | tuple) else [entries]
        if any(entry and type_name(entry) in ('Pretrained', 'PretrainedInit') for entry in entries):
            model['init_cfg'] = None
        model = list(model.values())
    if isinstance(model, list | tuple):
        for part in model:
            without_pretrained(part, keys)


def dataset_config(cfg: Config, data: OwnData, split: str, step: dict) -> dict:
    """Return the data set of a split: own data through the base's pipeline and a tokenizer."""
    loader = cfg.train_dataloader if split == TRAIN else cfg.val_dataloader
    pipeline = [
        step if type_name(part) == 'TokenizeExpression' else dict(part)
        for part in pipeline_of(loader.dataset)
    ]
    return dict(
        type='JsonLinesReferringDataset',
        data_root=str(data.file.parent.resolve()),
        ann_file=data.file.name,
        dataset_name='own',
        data_prefix=dict(img_path=str(data.images.resolve()), mask_path=str(data.masks.resolve())),
        split=split,
        pipeline=pipeline,
        **({} if split == TRAIN else dict(test_mode=True)),
    )


def metric_of(cfg: Config, data: OwnData) -> tuple[dict, str]:
    """Return the evaluator, and the score that decides which checkpoint is best.

    Data with lines that mean nothing is scored as gRefCOCO.
    """
    wanted = 'GeneralizedReferringMetric' if data.says_nothing else 'ReferringMetric'
    evaluator = cfg.val_evaluator
    fits = isinstance(evaluator, dict) and type_name(evaluator) == wanted
    return dict(evaluator) if fits else dict(type=wanted), 'gIoU' if data.says_nothing else 'oIoU'


@dataclass(frozen=True)
class Start:
    """Where a training starts: the weights, the parts that keep theirs, the seed."""

    weights: Path
    frozen: Sequence[str] = ()
    seed: int = 0


def write_config(
    cfg: Config, folder: Path, data: OwnData, step: dict, plan: Plan, start: Start
) -> Path:
    """Write ``base.py`` and ``finetune.py``; returns the latter.

    Args:
        cfg: The base, with the model that is trained.
        folder: The work dir.
        data: The data.
        step: ``TokenizeExpression`` of both pipelines.
        plan: What was decided.
        start: Weights, frozen parts, seed.
    """
    cfg.dump(str(folder / BASE))
    text = (
        '# Written by magnet-mm finetune. Change what you like, and train again:\n'
        f'#   python tools/train.py {folder / CONFIG}\n'
        f"_base_ = './{BASE}'\n"
    )
    for reason, values in _changes(cfg, folder, data, step, plan, start):
        comment = textwrap.fill(reason, 98, initial_indent='# ', subsequent_indent='# ')
        text += f'\n{comment}\n{Config(values).pretty_text}'
    path = folder / CONFIG
    write_atomically(path, text.encode())
    return path


def _sampler(cfg: Config) -> dict:
    """Return the base's sampler if it knows epochs, else :class:`EpochSampler`."""
    sampler = cfg.train_dataloader.get('sampler') or {}
    if type_name(sampler) in ('EpochSampler', 'ImageWiseSampler'):
        return dict(sampler)
    return dict(_delete_=True, type='EpochSampler', shuffle=True)


def _changes(
    cfg: Config, folder: Path, data: OwnData, step: dict, plan: Plan, start: Start
) -> Iterator[tuple[str, dict]]:
    """Yield what is different from the base, with the reason."""
    evaluator, score = metric_of(cfg, data)
    train, val = (
        dict(dataset_config(cfg, data, split, step), _delete_=True) for split in (TRAIN, VAL)
    )
    yield (
        'Weights to start from, and where logs and checkpoints go.',
        dict(
            load_from=str(start.weights.resolve()),
            work_dir=str(folder.resolve()),
            randomness=dict(seed=start.seed),
        ),
    )
    if start.frozen:
        yield (
            'These parts keep their weights.',
            dict(model=dict(backbone=dict(frozen=list(start.frozen)))),
        )
    yield (
        f'{plan.reasons["batch"]} Splits: {data.note}.',
        dict(
            train_dataloader=dict(
                batch_size=plan.batch_size,
                sampler=_sampler(cfg),
                dataset=train,
            ),
            auto_scale_lr=dict(enable=False, base_batch_size=plan.batch),
        ),
    )
    yield (
        f'Learning rate: {plan.reasons["rate"]}',
        dict(
            optim_wrapper=dict(accumulative_counts=plan.accumulated, optimizer=dict(lr=plan.rate)),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.01, begin=0, end=plan.warm_up, by_epoch=False),
                dict(
                    type='PolyLR',
                    power=0.9,
                    eta_min=0.0,
                    begin=0,
                    by_epoch=True,
                    convert_to_iter_based=True,
                ),
            ],
        ),
    )
    yield (
        f'Epochs: {plan.reasons["epochs"]}',
        dict(
            train_cfg=dict(
                _delete_=True,
                type='EpochBasedTrainLoop',
                max_epochs=plan.epochs,
                val_interval=plan.interval,
            ),
            log_processor=dict(by_epoch=True),
            default_hooks=dict(
                checkpoint=dict(
                    by_epoch=True,
                    interval=plan.interval,
                    max_keep_ckpts=1,
                    save_best=score,
                    rule='greater',
                ),
                early_stopping=dict(
                    type='EarlyStoppingHook', monitor=score, rule='greater', patience=PATIENCE
                ),
            ),
        ),
    )
    loader, metric = dict(dataset=val), dict(evaluator, _delete_=True)
    yield (
        f'{data.sizes[VAL]} lines are scored, every sentence of them.',
        dict(
            val_dataloader=loader,
            test_dataloader=loader,
            val_evaluator=metric,
            test_evaluator=metric,
            test_splits=[VAL],
        ),
    )
