# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The config that a checkpoint carries, read without running it.

mmengine writes the config into ``meta['cfg']`` as Python text. Here nothing of that text is run: it
may hold plain values, lists, tuples, dicts and ``dict(...)``, as mmengine writes them. A registry
would import any ``type`` with a dot in it, so that only the classes of OpenMMLab pass; the model is
checked as that of a shared folder.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.sharing.registered_types import check_config

_NAMES_A_CLASS = ('type', 'constructor', 'runner_type')
_FILES = ('init_cfg', 'pretrained', 'vectors', 'vocabulary')
_CLASS = re.compile(r'((mmengine|mmcv|mmdet|mmseg|magnet_mm)\.)?[A-Z]\w*|(pseudo|default)_collate')


def stored_config(checkpoint: Mapping[str, Any], source: str | os.PathLike[str]) -> Config:
    """Return the config that a loaded checkpoint was trained with.

    Args:
        checkpoint: What mmengine's ``CheckpointLoader`` returned.
        source: Its file, for messages.

    Raises:
        CheckpointError: If there is none (weights of other code have none), or it holds more than
            plain values and classes of OpenMMLab.
    """
    text = (checkpoint.get('meta') or {}).get('cfg')
    if not isinstance(text, str):
        raise CheckpointError(
            f'{source} does not say which config it was trained with; name it (--config).'
        )
    try:
        tree = ast.parse(text)
        values = dict(_assignment(statement) for statement in tree.body)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise CheckpointError(
            f'The config inside {source} is more than plain values ({error}), and is not run. Name '
            'a config that you trust (--config).'
        ) from error
    others = sorted({kind for kind in _types(values) if not _CLASS.fullmatch(str(kind))})
    imports = (values.get('custom_imports') or {}).get('imports') or []
    others += [f'the import of {one}' for one in imports if one != 'magnet_mm']
    if others:
        raise CheckpointError(
            f'The config inside {source} asks for {", ".join(map(str, others[:5]))}, which could '
            'be any program. If you trust it, name the config file itself (--config).'
        )
    try:
        check_config(_without_files(values.get('model')), 'model')
    except ConfigError as error:
        raise CheckpointError(f'The config inside {source} is not used: {error}') from error
    return Config(values)


def _without_files(value: Any) -> Any:
    """Leave out what fine-tuning does not load, and vocabularies, which are read as plain text."""
    if isinstance(value, dict):
        return {key: _without_files(part) for key, part in value.items() if key not in _FILES}
    if isinstance(value, list | tuple):
        return [_without_files(part) for part in value]
    return value


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _value(value)
    raise ValueError(f'line {statement.lineno} is no assignment')


def _value(node: ast.expr) -> Any:
    """Return the value of a literal or of ``dict(...)``."""
    match node:
        case ast.List(elts=parts):
            return [_value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part) for part in parts)
        case ast.Dict(keys=keys, values=parts) if all(keys):
            return {_value(key): _value(part) for key, part in zip(keys, parts, strict=True)}
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=pairs) if all(
            pair.arg for pair in pairs
        ):
            return {pair.arg: _value(pair.value) for pair in pairs}
        case ast.Call(func=ast.Name(id='dict'), args=[ast.Dict() as inside], keywords=[]):
            return _value(inside)
    return ast.literal_eval(node)


def _types(value: Any) -> Iterator[Any]:
    """Yield everything in nested values that a registry looks up."""
    if isinstance(value, dict):
        yield from (value[key] for key in _NAMES_A_CLASS if key in value)
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _types(part)
