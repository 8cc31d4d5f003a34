# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads one tower out of a file with CLIP's weights.

OpenAI's own files are TorchScript programs, which are refused. Take their weights out once, on a
machine where running them does no harm:
``torch.save(torch.jit.load('RN50.pt', 'cpu').state_dict(), 'rn50.pth')``. Keys are OpenAI's
(``visual.*``, ``transformer.*``, ``token_embedding.weight`` ...); ``.safetensors`` works as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from magnet_mm.engine import register_safe_loaders
from magnet_mm.errors import CheckpointError


def read_clip(path: str) -> dict[str, Tensor]:
    """Read the state dict of a CLIP file, ``.safetensors`` or a file of ``torch.save``.

    Raises:
        CheckpointError: when it cannot be read, or holds no state dict.
    """
    if not Path(path).is_file():
        raise CheckpointError(
            f"There are no CLIP weights {path}. Make the file of OpenAI's as docs/methods/cris.md "
            'says, and set the environment variable CLIP_PATH to it.'
        )
    if path.endswith('.safetensors'):
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f'The CLIP weights {path} cannot be read ({error}).') from error
    register_safe_loaders()
    loaded = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    weights = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if not isinstance(weights, dict):
        raise CheckpointError(f'{path} holds no state dict of CLIP.')
    return weights


def load_clip_part(
    module: nn.Module,
    path: str,
    prefix: str,
    new: Sequence[str] = (),
    rename: Sequence[tuple[str, str]] = (),
) -> None:
    """Copy a tower's weights into a module that carries CLIP's names.

    Args:
        module: takes the weights.
        path: file of :func:`read_clip`.
        prefix: of the tower's keys in the file; they are looked up without it.
        new: starts of the module's keys that CLIP does not have.
        rename: patterns of the file's keys and what the module calls them.

    Raises:
        CheckpointError: naming what is missing, or what has another shape.
    """
    weights = {}
    for key, value in read_clip(path).items():
        if key.startswith(prefix):
            ours = key.removeprefix(prefix)
            for pattern, replacement in rename:
                ours = re.sub(f'^{pattern}$', replacement, ours)
            weights[ours] = value
    problems = []
    for key, target in module.state_dict().items():
        if key.startswith(tuple(new)) or key.endswith('num_batches_tracked'):
            continue
        if key not in weights:
            problems.append(f'{prefix}{key} is missing')
        elif weights[key].shape != target.shape:
            problems.append(
                f'{prefix}{key} is {tuple(weights[key].shape)}, not {tuple(target.shape)}'
            )
    if problems:
        raise CheckpointError(
            f'The CLIP weights {path} do not fit {type(module).__name__}: '
            + ', '.join(problems[:10])
            + '. Take the file of the model that the config names (RN50, RN101 ...).'
        )
    module.load_state_dict(weights, strict=False)
    print_log(f'Loaded {type(module).__name__} from {path}', logger='current')
