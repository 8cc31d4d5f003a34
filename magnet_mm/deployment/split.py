# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A model in two ONNX files: one encodes images, the other answers sentences about them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

from magnet_mm.atomic_files import unfinished_beside
from magnet_mm.deployment.export import (
    EXAMPLE_BATCH,
    ExportedFiles,
    example_inputs,
    prepare,
    publish_files,
    write_files,
)
from magnet_mm.deployment.formats import load_onnx
from magnet_mm.deployment.metadata import ExportMetadata, as_tuple
from magnet_mm.deployment.network import LogitsNetwork, outputs_of
from magnet_mm.errors import ConfigError


class ImagePart(nn.Module):
    """Images ``[U, 3, H, W]`` to the maps ``[U, C_i, H_i, W_i]`` that the sentences need.

    Args:
        network: a model that encodes images alone.
        stages: which of its maps.
    """

    part = 'image'
    input_names = ('images',)
    input_batches = ('U',)
    output_batch = 'U'

    def __init__(self, network: LogitsNetwork, stages: Sequence[int]) -> None:
        super().__init__()
        self.encoder = network.segmentor.backbone
        self.stages = tuple(stages)
        self.output_names = tuple(f'map_{stage}' for stage in stages)
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Encode images."""
        maps = self.encoder.encode_images(*inputs)
        return tuple(maps[stage] for stage in self.stages)


class SentencePart(nn.Module):
    """Maps of ``U`` images, which of them each of ``B`` sentences speaks of, and the sentences.

    Args:
        network: a model that encodes images alone.
        stages: which of its maps are given.
    """

    part = 'sentence'
    output_batch = 'B'

    def __init__(self, network: LogitsNetwork, stages: Sequence[int]) -> None:
        super().__init__()
        self.segmentor = network.segmentor
        self.stages = tuple(stages)
        text = ('image_of', *network.text_names)
        self.input_names = (*(f'map_{stage}' for stage in stages), *text)
        self.input_batches = ('U',) * len(stages) + ('B',) * len(text)
        self.output_names = network.output_names
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Answer as :class:`LogitsNetwork` does."""
        named = dict(zip(self.input_names, inputs, strict=True))
        given = {stage: named.pop(f'map_{stage}') for stage in self.stages}
        # Nothing reads the other maps, but their places count.
        filling = given[self.stages[-1]]
        maps = [given.get(stage, filling) for stage in range(len(self.segmentor.backbone.fusion))]
        return outputs_of(self.segmentor.predict_from_maps(maps, **named))


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """What :func:`export_split` wrote.

    Attributes:
        image: the files of the image part.
        sentence: the files of the sentence part; the tokenizer is beside it.
        network: the whole network in torch, to compare with.
    """

    image: ExportedFiles
    sentence: ExportedFiles
    network: LogitsNetwork

    @property
    def description(self) -> ExportMetadata:
        """The sentence part's metadata."""
        return self.sentence.description

    def load(self) -> Callable[..., Tensor | tuple[Tensor, ...]]:
        """Run both files with onnxruntime, as a function of the whole network's inputs."""
        return load_split(self.image.model, self.sentence.model)


def load_split(image: Path, sentence: Path) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """Run the two files of a model as one, each sentence with an image of its own."""
    encode, answer = load_onnx(image), load_onnx(sentence)

    def run(images: Tensor, *text: Tensor) -> Tensor | tuple[Tensor, ...]:
        return answer(*as_tuple(encode(images)), torch.arange(len(images)), *text)

    return run


def export_split(
    config: Config,
    config_name: str,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    with_tokenizer: bool = True,
) -> SplitFiles:
    """Export a model that encodes images without language as two ONNX files.

    The files appear all together at the end; maps that no answer depends on are in neither.

    Args:
        config: the complete config of the model.
        config_name: its file name, for the metadata.
        checkpoint: the weights.
        out: ``NAME.onnx`` makes ``NAME.image.onnx`` and ``NAME.sentence.onnx``.
        with_tokenizer: write the tokenizer beside the sentence part.

    Raises:
        ConfigError: when language enters the image encoder of the model, or see
            :func:`~magnet_mm.deployment.export.export_checkpoint`.
        CheckpointError: when the checkpoint does not fit.
    """
    out = Path(out)
    network, metadata, tokenizer = prepare(config, config_name, checkpoint, with_tokenizer)
    if not network.segmentor.backbone.encodes_images_alone:
        raise ConfigError(
            f'{config_name}: language enters the image encoder, so that every sentence encodes the '
            'image anew. Export this model whole, without a split.'
        )
    inputs = example_inputs(network, metadata)
    stages = _stages_read(network, inputs)
    parts = dict(image=ImagePart(network, stages), sentence=SentencePart(network, stages))
    with torch.no_grad():
        maps = parts['image'](inputs[0])
    image_of = torch.tensor([*range(EXAMPLE_BATCH), 0])  # more sentences than images
    text = [values[image_of] for values in inputs[1:]]
    examples = dict(image=inputs[:1], sentence=(*maps, image_of, *text))
    paths = {part: out.with_suffix(f'.{part}{out.suffix}') for part in parts}
    names = {part: path.name for part, path in paths.items()}
    metadata = dataclasses.replace(metadata, parts=names)
    beside = dict(image=None, sentence=tokenizer)
    with unfinished_beside(out, folder=True) as folder:
        files = {
            part: write_files(path, folder, parts[part], examples[part], metadata, beside[part])
            for part, path in paths.items()
        }
        publish_files(folder, out.parent, list(paths.values()))
    return SplitFiles(network=network, **files)


def _stages_read(network: LogitsNetwork, inputs: Sequence[Tensor]) -> list[int]:
    """Return the stages whose maps an answer depends on: those that a gradient reaches."""
    images, *text = inputs
    with torch.no_grad():
        maps = network.segmentor.backbone.encode_images(images)
    maps = [feature.requires_grad_() for feature in maps]
    named = dict(zip(network.text_names, text, strict=True))
    answers = as_tuple(outputs_of(network.segmentor.predict_from_maps(maps, **named)))
    total = sum(answer.sum() for answer in answers)
    gradients = torch.autograd.grad(total, maps, allow_unused=True)
    return [stage for stage, gradient in enumerate(gradients) if gradient is not None]
