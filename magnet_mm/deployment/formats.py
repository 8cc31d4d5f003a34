# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The three file formats: how a network is written, and how the file is run again.

The batch is dynamic in all of them; image size and number of tokens are those of the config.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from magnet_mm.deployment.metadata import METADATA_KEY
from magnet_mm.errors import ConfigError

Inputs = tuple[Tensor, ...]
_BATCHES = dict(B='batch', U='images')  # letters of the metadata


@dataclass(frozen=True)
class ExportFormat:
    """One file format.

    Attributes:
        suffix: ending of its files.
        write: ``write(network, inputs, path, metadata)`` makes the file; ``inputs`` are examples
            with batches of two or more, ``metadata`` a JSON text that is put into the file. The
            network states ``input_names``, ``input_batches`` and ``output_names``.
        load: ``load(path)`` gives a function from the inputs to the outputs.
    """

    suffix: str
    write: Callable[[nn.Module, Inputs, Path, str], None]
    load: Callable[[Path], Callable[..., Tensor]]


def _dynamic_batch(network: nn.Module) -> tuple[tuple[dict[int, torch.export.Dim], ...]]:
    """Return the dynamic dimensions of ``forward(*inputs)``."""
    letters = network.input_batches
    dims = {letter: torch.export.Dim(_BATCHES[letter], min=1) for letter in set(letters)}
    return (tuple({0: dims[letter]} for letter in letters),)


def write_onnx(network: nn.Module, inputs: Inputs, path: Path, metadata: str) -> None:
    """Write an ONNX file (torch's exporter on top of ``torch.export``).

    Weights beyond ONNX's limit of 2 GB go to ``<path>.data``.

    Raises:
        ConfigError: when onnx or onnxscript is not installed.
    """
    require('onnx', 'onnxscript')
    with torch.no_grad():
        program = torch.onnx.export(
            network,
            inputs,
            input_names=network.input_names,
            output_names=network.output_names,
            dynamic_shapes=_dynamic_batch(network),
            dynamo=True,
            verbose=False,
        )
    program.model.metadata_props[METADATA_KEY] = metadata
    program.save(path, external_data=False)


def load_onnx(path: Path) -> Callable[..., Tensor]:
    """Run an ONNX file with onnxruntime on the CPU."""
    require('onnxruntime')
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])

    names = [value.name for value in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        arrays = {name: value.cpu().numpy() for name, value in zip(names, inputs, strict=True)}
        outputs = tuple(torch.from_numpy(output) for output in session.run(None, arrays))
        return outputs if len(outputs) > 1 else outputs[0]

    return run


def write_torchscript(network: nn.Module, inputs: Inputs, path: Path, metadata: str) -> None:
    """Write a traced TorchScript file, for libtorch and ``torch.jit.load``."""
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every Python number made from a shape: the image size is fixed.
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        warnings.filterwarnings('ignore', '.*deprecated.*')
        script = torch.jit.trace(network, inputs, check_trace=False)
        script.save(str(path), _extra_files={METADATA_KEY: metadata})


def load_torchscript(path: Path) -> Callable[..., Tensor]:
    """Run a TorchScript file; open only files that you trust."""
    return torch.jit.load(str(path))


def write_program(network: nn.Module, inputs: Inputs, path: Path, metadata: str) -> None:
    """Write an ``ExportedProgram``, for ``torch.export.load``, AOTInductor and ExecuTorch."""
    with torch.no_grad():
        program = torch.export.export(network, inputs, dynamic_shapes=_dynamic_batch(network))
    torch.export.save(program, path, extra_files={METADATA_KEY: metadata})


def load_program(path: Path) -> Callable[..., Tensor]:
    """Run an ``ExportedProgram``; open only files that you trust."""
    return torch.export.load(path).module()


FORMATS: dict[str, ExportFormat] = {
    'onnx': ExportFormat('.onnx', write_onnx, load_onnx),
    'torchscript': ExportFormat('.torchscript', write_torchscript, load_torchscript),
    'torch-export': ExportFormat('.pt2', write_program, load_program),
}


def require(*packages: str) -> None:
    """Make sure that packages are installed.

    Raises:
        ConfigError: naming those that are not.
    """
    from importlib.util import find_spec

    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise ConfigError(
            f'This format needs {" and ".join(absent)}: pip install -r requirements/optional.txt.'
        )
