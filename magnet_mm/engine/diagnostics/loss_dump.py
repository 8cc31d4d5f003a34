# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A batch with all that its loss depends on, saved to be computed again (``weights_only`` file)."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.structures import BaseDataElement, PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from magnet_mm.atomic_files import write_atomically
from magnet_mm.engine.checkpointing.plain_types import to_plain
from magnet_mm.engine.checkpointing.safe_loading import weights_only_loading
from magnet_mm.errors import CheckpointError

_ELEMENTS = {kind.__name__: kind for kind in (SegDataSample, PixelData)}
_KIND = 'element'


class Replay(NamedTuple):
    """What a repeated computation gave.

    Attributes:
        losses: value of every term, and their sum ``loss``.
        culprit: name and class of the first module whose output is not finite; None if all are.
    """

    losses: dict[str, float]
    culprit: str | None


def random_state() -> dict[str, Any]:
    """States of Python's, numpy's, torch's and the current CUDA device's generator."""
    state = dict(python=random.getstate(), numpy=np.random.get_state(), torch=torch.get_rng_state())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()  # kept on the host: no synchronisation
    return state


def save(
    path: str,
    runner: Any,
    model: torch.nn.Module,
    batch: Any,
    state: Mapping[str, Any],
    losses: Mapping[str, float],
) -> None:
    """Write the dump: plain types and tensors only.

    Args:
        path: The file.
        runner: The runner; its config's model, and the precision of its optimiser wrapper.
        model: The model without a distributed wrapper.
        batch: What the data loader gave.
        state: :func:`random_state` from before the iteration.
        losses: The value of every term, for comparison.
    """
    cast = getattr(runner.optim_wrapper, 'cast_dtype', None)
    mixed = type(runner.optim_wrapper).__name__ == 'AmpOptimWrapper'
    dump = dict(
        model=to_plain(runner.cfg.model),
        state_dict={key: value.cpu() for key, value in model.state_dict().items()},
        batch=_pack(batch),
        random_state=to_plain(dict(state)),
        autocast=str(cast or torch.float16).removeprefix('torch.') if mixed else None,
        losses=dict(losses),
        epoch=runner.epoch,
        iter=runner.iter,
        seed=runner.seed,
    )
    buffer = io.BytesIO()
    torch.save(dump, buffer)
    write_atomically(path, buffer.getvalue())


def replay(path: str, device: str = 'cpu') -> Replay:
    """Compute the losses of a dump again, in training mode and with its random numbers.

    Args:
        path: What :func:`save` wrote; nothing in it is run as code.
        device: Where to compute. Random numbers of a GPU are repeated on a GPU only.

    Raises:
        CheckpointError: If the file is no such dump.
    """
    with weights_only_loading():
        dump = torch.load(path, map_location='cpu')
    absent = {'model', 'state_dict', 'batch', 'random_state'} - set(dump)
    if absent:
        raise CheckpointError(f'{path} is not a dump of a loss; it lacks {sorted(absent)}.')
    model = MODELS.build(dump['model'])
    model.load_state_dict(dump['state_dict'])
    model = model.to(device).train()
    batch = _unpack(dump['batch'])
    _restore(dump['random_state'], device)
    precision = contextlib.nullcontext()
    if dump.get('autocast'):
        precision = torch.autocast(device, getattr(torch, dump['autocast']))
    with _first_non_finite(model) as found, precision:
        data = model.data_preprocessor(batch, True)
        losses = model._run_forward(data, mode='loss')
    log_vars = model.parse_losses(losses)[1]
    return Replay({k: float(v) for k, v in log_vars.items()}, found[0] if found else None)


def sample_names(batch: Any) -> list[str]:
    """One line per sample: image, ref, sentence (quoted, control characters escaped)."""
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    lines = []
    for sample in samples or ():
        info = sample.metainfo if isinstance(sample, BaseDataElement) else {}
        lines.append(
            ', '.join(
                f'{key} {info[key]!r}'
                for key in ('img_path', 'ref_id', 'sent_id', 'expression')
                if key in info
            )
        )
    return lines or ['(the batch names no samples)']


def _pack(value: Any) -> Any:
    """Turn data elements into dicts of tensors and plain types."""
    if isinstance(value, BaseDataElement):
        fields = {key: _pack(value.get(key)) for key in value.keys()}  # noqa: SIM118
        return {_KIND: type(value).__name__, 'meta': to_plain(value.metainfo), 'fields': fields}
    if isinstance(value, Mapping):
        return {key: _pack(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(part) for part in value]
    return value.cpu() if isinstance(value, torch.Tensor) else to_plain(value)


def _unpack(value: Any) -> Any:
    if isinstance(value, dict) and _KIND in value:
        if value[_KIND] not in _ELEMENTS:
            raise CheckpointError(f'The dump holds a {value[_KIND]}, which cannot be rebuilt.')
        element = _ELEMENTS[value[_KIND]](metainfo=value['meta'])
        for key, part in value['fields'].items():
            element.set_field(_unpack(part), key)
        return element
    if isinstance(value, dict):
        return {key: _unpack(part) for key, part in value.items()}
    return [_unpack(part) for part in value] if isinstance(value, list) else value


def _restore(state: Mapping[str, Any], device: str) -> None:
    version, internal, gauss = state['python']
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state['numpy']
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state['torch'])
    if device.startswith('cuda') and 'cuda' in state:
        torch.cuda.set_rng_state(state['cuda'])


@contextlib.contextmanager
def _first_non_finite(model: torch.nn.Module) -> Iterator[list[str]]:
    """Collect the modules whose output is not finite, in the order in which they finish."""
    found: list[str] = []

    def look(name: str, module: torch.nn.Module, output: Any) -> None:
        if any(not torch.isfinite(tensor).all() for tensor in _tensors(output)):
            found.append(f'{name or "the model"} ({type(module).__name__})')

    handles = [
        module.register_forward_hook(lambda m, _, output, name=name: look(name, m, output))
        for name, module in model.named_modules()
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
