# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""From a config and a checkpoint to an exported file, its metadata and its tokenizer."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor

from magnet_mm.atomic_files import publish, unfinished_beside
from magnet_mm.datasets.tokenizers import build_tokenizer
from magnet_mm.deployment.formats import FORMATS
from magnet_mm.deployment.metadata import ExportMetadata
from magnet_mm.deployment.network import LogitsNetwork, load_network
from magnet_mm.errors import ConfigError

EXAMPLE_BATCH = 2  # torch.export would make a batch of 1 a constant


@dataclasses.dataclass(frozen=True)
class ExportedFiles:
    """What an export wrote.

    Attributes:
        model: the exported network.
        metadata: its JSON, ``<model>.json``; the same text is inside the model file.
        tokenizer: ``<model>.tokenizer.json``, of the ``tokenizers`` library, or words and their
            rule; None when left out.
        network: the network in torch, to compare with.
        description: the metadata as an object.
    """

    model: Path
    metadata: Path
    tokenizer: Path | None
    network: LogitsNetwork
    description: ExportMetadata


def export_checkpoint(
    config: Config,
    config_name: str,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    format: str = 'onnx',
    with_tokenizer: bool = True,
    device: str = 'cpu',
) -> ExportedFiles:
    """Export ``predict_logits`` of a trained model with a dynamic batch.

    The files appear all together at the end, under their final names.

    Args:
        config: the complete config of the model.
        config_name: its file name, for the metadata.
        checkpoint: the weights.
        out: file to write.
        format: ``onnx``, ``torchscript`` or ``torch-export``.
        with_tokenizer: write the tokenizer beside the model.
        device: where the network is recorded; TorchScript and ``torch-export`` files keep it.

    Raises:
        ConfigError: for an unknown format, a config that cannot be described, or a tokenizer that
            cannot be loaded.
        CheckpointError: when the checkpoint does not fit.
    """
    if format not in FORMATS:
        raise ConfigError(f'The format is one of {", ".join(FORMATS)}, not {format!r}.')
    out, checkpoint = Path(out), Path(checkpoint)
    network = load_network(config, checkpoint, device)
    rule = network.segmentor.foreground
    metadata = ExportMetadata.from_config(config, config_name, checkpoint.name, rule, ())
    tokenizer = None
    if with_tokenizer:
        tokenizer = build_tokenizer(metadata.tokenizer)
        metadata = dataclasses.replace(metadata, tokenizer_file=f'{out.name}.tokenizer.json')
    inputs = network.example_inputs(
        EXAMPLE_BATCH, (metadata.height, metadata.width), metadata.max_tokens
    )
    with torch.no_grad():
        size = _outputs(network(*inputs))[0].shape[-2:]
    metadata = dataclasses.replace(
        metadata, logits_size=list(size), output_names=network.output_names
    )
    with unfinished_beside(out, folder=True) as temporary:
        FORMATS[format].write(network, inputs, temporary / out.name, metadata.as_json())
        (temporary / f'{out.name}.json').write_text(metadata.as_json() + '\n', encoding='utf-8')
        if tokenizer is not None:
            tokenizer.save(temporary / metadata.tokenizer_file, metadata.max_tokens)
        for file in sorted(temporary.iterdir(), key=lambda file: file.name == out.name):
            publish(file, out.parent / file.name)  # the model last: where it is, all is
    return ExportedFiles(
        out,
        out.with_name(f'{out.name}.json'),
        out.with_name(metadata.tokenizer_file) if metadata.tokenizer_file else None,
        network,
        metadata,
    )


@torch.no_grad()
def largest_difference(
    files: ExportedFiles, run: Callable[..., Tensor], batches: Sequence[int] = (1, 3)
) -> float:
    """Largest absolute difference of an exported file's logits from torch's, on random inputs.

    Args:
        files: what :func:`export_checkpoint` returned.
        run: the exported file as a function, ``FORMATS[format].load(files.model)``.
        batches: batch sizes to try; others than the recorded one, so that a batch that became a
            constant shows.
    """
    shape = (files.description.height, files.description.width)
    largest = 0.0
    for batch in batches:
        inputs = files.network.example_inputs(
            batch, shape, files.description.max_tokens, seed=batch
        )
        outputs = _outputs(run(*inputs))
        for got, expected in zip(outputs, _outputs(files.network(*inputs)), strict=True):
            if got.shape != expected.shape:
                raise RuntimeError(
                    f'With a batch of {batch} the exported network gives {tuple(got.shape)}, torch '
                    f'{tuple(expected.shape)}: its batch is not dynamic.'
                )
            largest = max(largest, (got.cpu() - expected.cpu()).abs().max().item())
    return largest


def _outputs(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the outputs of a network that gives one tensor or several."""
    return (result,) if isinstance(result, Tensor) else tuple(result)
