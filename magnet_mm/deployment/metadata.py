# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a program has to know to feed an exported network and to read its logits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor, nn

from magnet_mm.config_types import type_name
from magnet_mm.datasets.transforms import Letterbox
from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.version import __version__

# The key under which the metadata stands inside an exported file.
METADATA_KEY = 'magnet_mm.json'


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """Preprocessing, tokens and decision rule of an exported network, as plain values.

    Attributes:
        config: file name of the config.
        checkpoint: file name of the checkpoint.
        height: height of the network's input in pixels.
        width: width of the network's input in pixels.
        resize: how the image is resized, in words.
        letterbox: ``fill``, ``centred``, ``interpolation`` and ``rounding`` of
            :class:`~magnet_mm.datasets.transforms.Letterbox`; None where the aspect is not kept.
        colour_order: order of the image's channels.
        mean: subtracted from each channel, values 0..255.
        std: each channel is divided by it.
        inputs: shape and type of every input by its name; ``B`` sentences, each with its image, of
            any number, or of ``U`` images in the parts of a split model.
        outputs: the same of the outputs: ``logits``, and ``no_target`` where the model can say that
            nothing is meant: one logit per sentence, to be compared with ``no_target_threshold``
            of ``foreground``.
        part: ``whole``, or ``image`` or ``sentence`` of a split model.
        parts: file names of the parts of a split model, by part.
        tokenizer: the tokenizer in the config, its name or its settings.
        tokenizer_file: file of the tokenizer beside the exported one; None when it was left out.
        max_tokens: length of ``input_ids``, padded, special tokens included.
        channels: 1, ``foreground = logits[:, 0]``, or 2, ``logits[:, 1] - logits[:, 0]``.
        logits_size: height and width of the logits; empty for an image part.
        foreground: the rule that makes a mask, see
            :class:`~magnet_mm.evaluation.foreground.ForegroundRule`; ``align_corners`` says how the
            logits are resized (bilinear) to the input and, after the letterbox is cut off, to the
            image.
        threshold: pixels with a larger foreground logit, at the image's size, are the object.
        magnet_mm_version: version of the package that wrote the file.
        torch_version: version of torch that wrote the file.
    """

    config: str
    checkpoint: str
    height: int
    width: int
    mean: list[float]
    std: list[float]
    tokenizer: str | dict[str, Any]
    max_tokens: int
    channels: int
    foreground: dict[str, Any]
    threshold: float
    letterbox: dict[str, Any] | None = None
    logits_size: list[int] = dataclasses.field(default_factory=list)
    inputs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    part: str = 'whole'
    parts: dict[str, str] | None = None
    tokenizer_file: str | None = None
    resize: str = ''
    colour_order: str = 'RGB'
    magnet_mm_version: str = __version__
    torch_version: str = torch.__version__

    @classmethod
    def from_config(
        cls, config: Config, config_name: str, checkpoint: str, rule: ForegroundRule
    ) -> ExportMetadata:
        """Read the values off the test pipeline and the data preprocessor of a config.

        Raises:
            ConfigError: if the test pipeline has neither ``Letterbox`` nor ``Resize`` to one size,
                or no ``TokenizeExpression``, or pads the resized image.
        """
        steps = {type_name(step): step for step in _test_pipeline(config)}
        sizing = 'Letterbox' if 'Letterbox' in steps else 'Resize'
        absent = [name for name in (sizing, 'TokenizeExpression') if name not in steps]
        if absent:
            raise ConfigError(
                f'{config_name}: the test pipeline has no {" and no ".join(absent)}; the exported '
                'file would not say how to prepare its inputs.'
            )
        letterbox = None
        if sizing == 'Letterbox':
            box = Letterbox(**{key: value for key, value in steps[sizing].items() if key != 'type'})
            width, height = box.size
            letterbox = dict(
                fill=box.fill,
                centred=box.centred,
                interpolation=box.interpolation,
                rounding=box.rounding,
            )
            resize = dict(resize=f'OpenCV {box.interpolation}, aspect kept, in the letterbox')
        else:
            width, height, resize = _plain_resize(steps[sizing], config_name)
        preprocessor = config.model.data_preprocessor
        padded = preprocessor.get('size')
        if padded is not None and tuple(padded) != (height, width):
            raise ConfigError(
                f'{config_name}: images are resized to {(height, width)} and then padded to '
                f'{tuple(padded)} (height, width); make the two sizes equal to export the model.'
            )
        tokens = steps['TokenizeExpression']
        return cls(
            config=config_name,
            checkpoint=checkpoint,
            height=height,
            width=width,
            mean=[float(value) for value in preprocessor['mean']],
            std=[float(value) for value in preprocessor['std']],
            tokenizer=_plain(tokens),
            max_tokens=tokens.get('max_tokens', 20),
            channels=rule.channels,
            foreground=rule.as_dict(),
            threshold=rule.cut,
            letterbox=letterbox,
            **resize,
            colour_order='RGB' if preprocessor.get('bgr_to_rgb') else 'BGR',
        )

    def of_network(self, network: nn.Module, inputs: Sequence[Tensor]) -> ExportMetadata:
        """Complete with what a network takes and gives for example inputs."""
        with torch.no_grad():
            outputs = as_tuple(network(*inputs))
        batches = (network.output_batch,) * len(outputs)
        given = _described(network.output_names, outputs, batches)
        return dataclasses.replace(
            self,
            part=network.part,
            inputs=_described(network.input_names, inputs, network.input_batches),
            outputs=given,
            logits_size=given['logits']['shape'][2:] if 'logits' in given else [],
        )

    def as_json(self) -> str:
        """Return the attributes as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=2)


def as_tuple(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the outputs of a network that gives one tensor or several."""
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _described(
    names: Sequence[str], tensors: Sequence[Tensor], batches: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Shapes and types by name, the batch by its letter."""
    return {
        name: dict(shape=[batch, *tensor.shape[1:]], dtype=str(tensor.dtype).removeprefix('torch.'))
        for name, tensor, batch in zip(names, tensors, batches, strict=True)
    }


def _test_pipeline(config: Config) -> list[dict]:
    """Pipeline of the test dataset; of the first one where several are joined."""
    dataset = config.test_dataloader.dataset
    while 'pipeline' not in dataset:
        dataset = dataset['datasets'][0] if 'datasets' in dataset else dataset['dataset']
    return dataset['pipeline']


def _plain_resize(step: dict, config_name: str) -> tuple[int, int, dict[str, str]]:
    """Width, height and, in words, how a ``Resize`` step resizes."""
    if step.get('keep_ratio', False) or step.get('scale') is None:
        raise ConfigError(
            f'{config_name}: only a Resize to one fixed size (scale=(width, height), '
            'keep_ratio=False) or a Letterbox can be exported.'
        )
    backend = 'Pillow' if step.get('backend') == 'pillow' else 'OpenCV'
    kind = step.get('interpolation', 'bilinear')
    said = f'{backend} {kind}, aspect not kept, EXIF orientation ignored'
    return *step['scale'], dict(resize=said)


def _plain(step: dict) -> str | dict[str, Any]:
    """Read the tokenizer of a TokenizeExpression, without mmengine's classes of configs."""
    tokenizer = step['tokenizer']
    if isinstance(tokenizer, str) and not step.get('keep_sep', True):
        return dict(type='HuggingFaceTokenizer', name=tokenizer, keep_sep=False)
    return tokenizer.to_dict() if isinstance(tokenizer, ConfigDict) else tokenizer
