# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The steps of a fine-tuning: data, words, plan, config; scores before, training, scores after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmseg.registry import DATASETS, MODELS
from rich.console import Console
from torch import nn

from magnet_mm.atomic_files import replacing, write_atomically
from magnet_mm.datasets.tokenizers import build_tokenizer
from magnet_mm.engine.run_setup import runtime, split_evaluation
from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.finetuning import new_words, own_data
from magnet_mm.finetuning.comparison import compare
from magnet_mm.finetuning.memory import free_memory, step_memory
from magnet_mm.finetuning.own_data import TRAIN, VAL, OwnData, Source
from magnet_mm.finetuning.plan import decide
from magnet_mm.finetuning.written_config import (
    CONFIG,
    Start,
    dataset_config,
    pipeline_of,
    recipe_of,
    without_pretrained,
    write_config,
)
from magnet_mm.sharing.stored_config import stored_config

DATA, START, RESULT = 'data.jsonl', 'start.pth', 'finetuned.pth'
_TRAINING_STATE = ('optimizer', 'param_schedulers', 'message_hub')


@dataclass(frozen=True)
class Request:
    """What the user asks for; see ``magnet-mm finetune --help``."""

    source: Source
    checkpoint: str
    work_dir: Path
    config: str | None = None
    frozen: Sequence[str] = ()
    val_share: float = 0.2
    seed: int = 0
    epochs: int | None = None


def prepare(request: Request, console: Console) -> Path:
    """Check the data, decide, and write the config; returns its path.

    Raises:
        ConfigError: The work dir has a config already, or the base cannot be used.
        CheckpointError: The checkpoint cannot be used.
        DataError: The data has errors.
    """
    folder = request.work_dir
    if (folder / CONFIG).exists():
        raise ConfigError(
            f'{folder / CONFIG} is there already. Train it again (python tools/train.py '
            f'{folder / CONFIG}), or name another --work-dir.'
        )
    if '://' not in request.checkpoint and not Path(request.checkpoint).is_file():
        raise CheckpointError(f'There is no checkpoint {request.checkpoint}.')
    checkpoint = CheckpointLoader.load_checkpoint(request.checkpoint, map_location='cpu')
    if request.config is None:
        cfg = stored_config(checkpoint, request.checkpoint)
    else:
        cfg = runtime.read_config_file(request.config)
    folder.mkdir(parents=True, exist_ok=True)
    data = own_data.collect(request.source, folder / DATA, request.val_share, request.seed)
    console.print(
        f'Data: {data.sizes[TRAIN]} lines to train, {data.sizes[VAL]} to validate ({data.note}).',
        markup=False,
    )
    own_data.check(data, console)
    with DefaultScope.overwrite_default_scope('mmseg'):
        without_pretrained(cfg.model, ['pretrained'])
        step, weights = _know_words(cfg, checkpoint, data, request, console)
        without_pretrained(cfg.model)  # word vectors may know the new words
        needed = _measure(cfg, data, step, request.frozen)
    plan = decide(data.sizes[TRAIN], recipe_of(cfg), needed, free_memory(), request.epochs)
    console.print(
        f'Batch {plan.batch_size} x {plan.accumulated}: {plan.reasons["batch"]}\n'
        f'Learning rate {plan.rate:g}: {plan.reasons["rate"]}\n'
        f'Epochs {plan.epochs}: {plan.reasons["epochs"]}',
        markup=False,
        soft_wrap=True,
    )
    start = Start(weights, request.frozen, request.seed)
    path = write_config(cfg, folder, data, step, plan, start)
    console.print(f'Config: {path}', markup=False)
    return path


def train(config: Path, console: Console) -> Path:
    """Score, train, score again and compare; returns the checkpoint.

    Args:
        config: What :func:`prepare` wrote.
        console: For the comparison.
    """
    cfg = Config.fromfile(config)
    folder = config.parent
    before = evaluate(cfg, cfg.load_from, folder / 'before')
    best = fit(cfg)
    after = evaluate(cfg, str(best), folder / 'after')
    result = _publish(best, folder / RESULT, after)
    scores = dict(before=before, after=after)
    write_atomically(folder / 'scores.json', (json.dumps(scores, indent=2) + '\n').encode())
    compare(config, scores, console)
    console.print(
        f'Use it: magnet-mm infer IMAGE "SENTENCE" --config {config} --weights {result}',
        markup=False,
        soft_wrap=True,
    )
    return result


def evaluate(cfg: Config, weights: str, folder: Path) -> dict[str, float]:
    """Score weights on the validation split; items go to ``folder/val``."""
    cfg = Config(cfg.to_dict())
    runtime.test_from(cfg, weights)
    cfg.update(log_level='WARNING', work_dir=str(folder))
    runtime.fit_to_machine(cfg, training=False)
    results = split_evaluation.evaluate_splits(runtime.build_runner(cfg), [VAL], str(folder))
    return {name: float(value) for name, value in results[VAL].items()}


def fit(cfg: Config) -> Path:
    """Train; returns the best checkpoint."""
    cfg = Config(cfg.to_dict())
    runtime.fit_to_machine(cfg, training=True)
    runner = runtime.build_runner(cfg)
    runner.train()
    best = runner.message_hub.runtime_info.get('best_ckpt')
    if best is None:
        raise DataError('The training ended before its first validation, so there is no result.')
    return Path(best)


def _publish(best: Path, path: Path, scores: dict[str, float]) -> Path:
    """Write the best checkpoint without what only a training needs."""
    checkpoint = CheckpointLoader.load_checkpoint(str(best), map_location='cpu')
    kept = {key: value for key, value in checkpoint.items() if key not in _TRAINING_STATE}
    kept['meta'] = dict(kept.get('meta') or {}, scores=scores)
    with replacing(path) as unfinished:
        torch.save(kept, unfinished)
    return path


def _know_words(
    cfg: Config, checkpoint: dict, data: OwnData, request: Request, console: Console
) -> tuple[dict, Path]:
    """Report new words and add them; returns the tokenising step and the weights to start from."""
    step = new_words.tokenizer_step(pipeline_of(cfg.train_dataloader.dataset))
    tokenizer = build_tokenizer(step['tokenizer'])
    sentences = data.sentences[TRAIN]
    words = new_words.unknown_words(tokenizer, sentences)
    console.print(new_words.describe(words, len(sentences)), markup=False)
    unseen = new_words.unknown_words(tokenizer, data.sentences[VAL])
    unseen = {word: count for word, count in unseen.items() if word not in words}
    if unseen:
        console.print(
            f'Only in val, so that nothing learns them: {", ".join(list(unseen)[:8])}.',
            markup=False,
        )
    state = checkpoint.get('state_dict', checkpoint)
    folder = request.work_dir
    if words:
        step = new_words.grow_vocabulary(cfg, step, words, folder / 'vocabulary')
        fresh = _build(cfg)
        fresh.backbone.text.init_weights()
        state = new_words.grow_rows(state, fresh.state_dict(), tokenizer.vocabulary_size)
    elif Path(request.checkpoint).is_file():
        return step, Path(request.checkpoint)
    with replacing(folder / START) as unfinished:  # grown, or from an address
        torch.save(dict(state_dict=state, meta={}), unfinished)
    return step, folder / START


def _measure(cfg: Config, data: OwnData, step: dict, frozen: Sequence[str]) -> tuple[int, int]:
    """Bytes of the model and per sample, from a step of two."""
    dataset = DATASETS.build(dataset_config(cfg, data, TRAIN, step))
    model = _build(cfg, frozen)
    samples = [dataset[index % len(dataset)] for index in range(2)]
    return step_memory(model, pseudo_collate(samples), len(samples))


def _build(cfg: Config, frozen: Sequence[str] = ()) -> nn.Module:
    """Build the config's model on the CPU."""
    cfg = Config(cfg.to_dict())
    if frozen:
        cfg.model.backbone.frozen = list(frozen)
    runtime.fit_to_machine(cfg, training=False)
    return MODELS.build(cfg.model)
