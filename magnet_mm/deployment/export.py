# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""From a config and a checkpoint to an exported file, its metadata and its tokenizer."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.atomic_files import publish, unfinished_beside
from magnet_mm.datasets.tokenizers import Tokenizer, build_tokenizer, tokenizer_class
from magnet_mm.deployment.formats import FORMATS
from magnet_mm.deployment.metadata import ExportMetadata, as_tuple
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
    out = Path(out)
    network, metadata, tokenizer = prepare(config, config_name, checkpoint, with_tokenizer, device)
    inputs = example_inputs(network, metadata)
    with unfinished_beside(out, folder=True) as temporary:
        files = write_files(out, temporary, network, inputs, metadata, tokenizer, format)
        publish_files(temporary, out.parent, (out,))
    return files


def prepare(
    config: Config,
    config_name: str,
    checkpoint: str | os.PathLike,
    with_tokenizer: bool,
    device: str = 'cpu',
) -> tuple[LogitsNetwork, ExportMetadata, Tokenizer | None]:
    """Load what is exported: the network, what a config says of it, and the tokenizer.

    Arguments and errors are those of :func:`export_checkpoint`.
    """
    network = load_network(config, checkpoint, device)
    rule = network.segmentor.foreground
    metadata = ExportMetadata.from_config(config, config_name, Path(checkpoint).name, rule)
    kind = tokenizer_class(metadata.tokenizer)
    network.text_fields = kind.text_fields(metadata.max_tokens)
    tokenizer = build_tokenizer(metadata.tokenizer) if with_tokenizer else None
    return network, metadata, tokenizer


def write_files(
    out: Path,
    temporary: Path,
    network: nn.Module,
    inputs: Sequence[Tensor],
    metadata: ExportMetadata,
    tokenizer: Tokenizer | None,
    format: str = 'onnx',
) -> ExportedFiles:
    """Write a network and what stands beside it into a temporary folder.

    Args:
        out: the model file to become.
        temporary: the folder.
        network: states its ``part``, ``input_names``, ``input_batches``, ``output_names`` and
            ``output_batch``.
        inputs: examples.
        metadata: of the model.
        tokenizer: None where none is written.
        format: one of :data:`FORMATS`.
    """
    about = metadata.of_network(network, inputs)
    if tokenizer is not None:
        about = dataclasses.replace(about, tokenizer_file=f'{out.name}.tokenizer.json')
        tokenizer.save(temporary / about.tokenizer_file, about.max_tokens)
    FORMATS[format].write(network, inputs, temporary / out.name, about.as_json())
    (temporary / f'{out.name}.json').write_text(about.as_json() + '\n', encoding='utf-8')
    return ExportedFiles(
        out,
        out.with_name(f'{out.name}.json'),
        out.with_name(about.tokenizer_file) if about.tokenizer_file else None,
        network,
        about,
    )


def publish_files(temporary: Path, folder: Path, models: Sequence[Path]) -> None:
    """Give the files of a temporary folder their names, models last: where they are, all is."""
    last = {model.name for model in models}
    for file in sorted(temporary.iterdir(), key=lambda file: file.name in last):
        publish(file, folder / file.name)


def example_inputs(network: LogitsNetwork, metadata: ExportMetadata) -> tuple[Tensor, ...]:
    """Return random inputs to record a network with."""
    size = (metadata.height, metadata.width)
    return network.example_inputs(EXAMPLE_BATCH, size, metadata.max_tokens)


@torch.no_grad()
def largest_difference(
    files: ExportedFiles, run: Callable[..., Tensor], batches: Sequence[int] = (1, 3)
) -> float:
    """Largest absolute difference of an exported file's logits from torch's, on random inputs.

    Args:
        files: what :func:`export_checkpoint` or :func:`~magnet_mm.deployment.split.export_split`
            returned.
        run: the exported model as a function, ``FORMATS[format].load(files.model)`` or
            ``files.load()``.
        batches: batch sizes to try; others than the recorded one, so that a batch that became a
            constant shows.
    """
    shape = (files.description.height, files.description.width)
    largest = 0.0
    for batch in batches:
        inputs = files.network.example_inputs(
            batch, shape, files.description.max_tokens, seed=batch
        )
        outputs = as_tuple(run(*inputs))
        for got, expected in zip(outputs, as_tuple(files.network(*inputs)), strict=True):
            if got.shape != expected.shape:
                raise RuntimeError(
                    f'With a batch of {batch} the exported network gives {tuple(got.shape)}, torch '
                    f'{tuple(expected.shape)}: its batch is not dynamic.'
                )
            largest = max(largest, (got.cpu() - expected.cpu()).abs().max().item())
    return largest
