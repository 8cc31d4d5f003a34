# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The folder of a shared model: written, and read without trusting it.

::

    FOLDER/config.json         model and test pipeline as data, see config_data.py
    FOLDER/model.safetensors   the weights
    FOLDER/tokenizer/          the tokenizer's own files
    FOLDER/scores.json         scores in percent by split, as tools/test.py --json writes them
    FOLDER/README.md           the model card
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from magnet_mm.atomic_files import replacing
from magnet_mm.config_types import type_name
from magnet_mm.datasets.tokenizers import Tokenizer
from magnet_mm.engine.checkpointing.safetensors_files import write_safetensors
from magnet_mm.errors import ConfigError
from magnet_mm.sharing.config_data import FOLDER, from_data, to_data
from magnet_mm.sharing.model_card import CardText, model_card
from magnet_mm.sharing.registered_types import check_config
from magnet_mm.version import __version__

CONFIG, WEIGHTS, TOKENIZER = 'config.json', 'model.safetensors', 'tokenizer'
SCORES, CARD = 'scores.json', 'README.md'
FORMAT = 1
_READ_TO_TRAIN = ('pretrained', 'vectors', 'vocabulary')  # files that init_weights() alone reads


@dataclass
class SharedModel:
    """What a folder is made of.

    Attributes:
        name: What the model is called.
        network: A ``ReferringSegmentor``.
        model: Its config.
        pipeline: Steps of the test pipeline behind the loading.
        tokenizer: That of the pipeline.
        dataset_name: What it was trained on; the demo page chooses its examples by it.
        scores: Scores in percent by split.
        card: What else the card says.
    """

    name: str
    network: nn.Module
    model: dict
    pipeline: Sequence[dict]
    tokenizer: Tokenizer
    dataset_name: str | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    card: CardText = field(default_factory=CardText)


def write_folder(folder: str | os.PathLike[str], shared: SharedModel, half: bool = False) -> Path:
    """Write the folder, which appears complete or not at all.

    Args:
        folder: Where to; it must not exist, or be empty.
        shared: What to write.
        half: Round the weights to float16.

    Raises:
        ConfigError: The folder holds something, or the config something that is no data.
        CheckpointError: A weight is not finite.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f'{folder} exists and is not empty. Choose another folder, or remove it.')
    weights = shared.network.state_dict()
    with replacing(folder, folder=True) as unfinished:
        data = to_data(_shared_config(shared, unfinished / TOKENIZER), unfinished)
        check_folder_config(data, CONFIG)
        _write_json(unfinished / CONFIG, data)
        threshold = shared.network.foreground.no_target_threshold
        write_safetensors(unfinished / WEIGHTS, weights, half, threshold)
        if shared.scores:
            _write_json(unfinished / SCORES, shared.scores)
        about = dict(
            parameters=sum(weight.numel() for weight in shared.network.parameters()),
            weights='float16' if half else 'float32',
            size=(unfinished / WEIGHTS).stat().st_size,
            **asdict(shared.card),
        )
        card = model_card(shared.name, shared.dataset_name, shared.scores, about)
        (unfinished / CARD).write_text(card, encoding='utf-8')
    return folder


def read_folder(folder: str | os.PathLike[str]) -> tuple[Config, Path]:
    """Read a folder that may be a stranger's: config and path of the weights.

    The config has ``model`` and ``test_dataloader.dataset`` (``dataset_name``, ``pipeline``), and
    the model's name as ``shared_name``. Nothing is built here, no Python of the folder is read.

    Raises:
        ConfigError: The folder lacks a file, or its config names what it may not
            (:mod:`magnet_mm.sharing.registered_types`).
    """
    folder = Path(folder).expanduser().absolute()
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ConfigError(
                f'{folder} has no {name}. A shared model is a folder that '
                'ReferringSegInferencer.save_pretrained wrote (docs/sharing.md).'
            )
    try:
        data = json.loads((folder / CONFIG).read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f'{folder / CONFIG} is no JSON ({error}). Download it again.') from error
    check_folder_config(data, str(folder / CONFIG))
    config = from_data(data, folder)
    dataset = dict(dataset_name=config['dataset_name'], pipeline=config['pipeline'])
    return Config(
        dict(
            model=config['model'],
            test_dataloader=dict(dataset=dataset),
            shared_name=config['name'],
        )
    ), folder / WEIGHTS


def check_folder_config(data: Any, place: str) -> None:
    """Refuse what :func:`read_folder` must not build.

    Raises:
        ConfigError: The message says what and where.
    """
    names = {'format', 'magnet_mm', 'name', 'dataset_name', 'model', 'pipeline'}
    if not isinstance(data, dict) or set(data) != names or data['format'] != FORMAT:
        raise ConfigError(
            f'{place} is not of format {FORMAT} ({", ".join(sorted(names))}); it may be of another '
            f'version of magnet_mm than {__version__}.'
        )
    if not isinstance(data['model'], dict) or not isinstance(data['pipeline'], list):
        raise ConfigError(f'{place}: model is no object, or pipeline no list.')
    check_config(data['model'], f'{place}: model')
    for index, step in enumerate(data['pipeline']):
        where = f'{place}: pipeline[{index}]'
        if isinstance(step, dict) and 'tokenizer' in step:
            _check_tokenizer(step['tokenizer'], f'{where}.tokenizer')
            step = {key: value for key, value in step.items() if key != 'tokenizer'}
        check_config(step, where)


def _check_tokenizer(tokenizer: Any, place: str) -> None:
    """Only here may a file stand, and only one of the folder."""
    if not isinstance(tokenizer, dict):
        raise ConfigError(f"{place} is not that of the folder's own files.")
    files = {key for key, value in tokenizer.items() if str(value).startswith(FOLDER)}
    if not files & {'name', 'vocabulary'}:
        raise ConfigError(f"{place} is not that of the folder's own files.")
    check_config({key: tokenizer[key] for key in tokenizer.keys() - files}, place)


def _shared_config(shared: SharedModel, folder: Path) -> dict[str, Any]:
    """Return what config.json says; the tokenizer's files are written into ``folder``."""
    folder.mkdir()
    own = shared.tokenizer.save_files(folder)
    steps = []
    for step in shared.pipeline:
        if type_name(step) == 'TokenizeExpression':
            step = {**{key: step[key] for key in step if key != 'keep_sep'}, 'tokenizer': own}
        steps.append(step)
    return dict(
        format=FORMAT,
        magnet_mm=__version__,
        name=shared.name,
        dataset_name=shared.dataset_name,
        model=_without_training(shared.model),
        pipeline=steps,
    )


def _without_training(model: Any) -> Any:
    """Return a model's config without auxiliary heads and the files of its initial weights."""
    if isinstance(model, list | tuple):
        return type(model)(_without_training(part) for part in model)
    if not isinstance(model, dict):
        return model
    kept = {}
    for key, value in model.items():
        if key in _READ_TO_TRAIN or (key == 'init_cfg' and _reads_a_file(value)):
            kept[key] = None
        elif key != 'auxiliary_head':
            kept[key] = _without_training(value)
    return kept


def _reads_a_file(init_cfg: Any) -> bool:
    parts = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    return any(isinstance(part, dict) and type_name(part) == 'Pretrained' for part in parts)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + '\n', encoding='utf-8')
