# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a program has to know to feed an exported network and to read its logits."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from magnet_mm.config_types import type_name
from magnet_mm.errors import ConfigError
from magnet_mm.version import __version__

# The key under which the metadata stands inside an exported file.
METADATA_KEY = 'magnet_mm.json'


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """Preprocessing, tokens and decision rule of an exported network, as plain values.

    Attributes:
        config: file name of the config.
        checkpoint: file name of the checkpoint.
        height: image height in pixels; the image is resized to it, its aspect is not kept.
        width: image width in pixels.
        resize: how the image is resized.
        colour_order: order of the image's channels.
        mean: subtracted from each channel, values 0..255.
        std: each channel is divided by it.
        tokenizer: the tokenizer in the config, its name or its settings.
        tokenizer_file: file of the tokenizer beside the exported one; None when it was left out.
        max_tokens: length of ``input_ids``, padded, special tokens included.
        channels: 1, ``foreground = logits[:, 0]``, or 2, ``logits[:, 1] - logits[:, 0]``.
        upsampling: how the foreground logits get to ``height x width``.
        threshold: pixels with a larger foreground logit belong to the object.
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
    tokenizer_file: str | None = None
    resize: str = 'Pillow BILINEAR, aspect not kept, EXIF orientation ignored'
    colour_order: str = 'RGB'
    upsampling: str = 'bilinear, align_corners=True'
    threshold: float = 0.0  # probability 0.5, as ReferringSegmentor.postprocess_result
    magnet_mm_version: str = __version__
    torch_version: str = torch.__version__

    @classmethod
    def from_config(
        cls, config: Config, config_name: str, checkpoint: str, channels: int
    ) -> ExportMetadata:
        """Read the values off the test pipeline and the data preprocessor of a config.

        Raises:
            ConfigError: when the test pipeline has no ``Resize`` to a fixed size or no
                ``TokenizeExpression``, or pads the resized image.
        """
        steps = {type_name(step): step for step in _test_pipeline(config)}
        absent = [name for name in ('Resize', 'TokenizeExpression') if name not in steps]
        if absent:
            raise ConfigError(
                f'{config_name}: the test pipeline has no {" and no ".join(absent)}; the exported '
                'file would not say how to prepare its inputs.'
            )
        resize = steps['Resize']
        if resize.get('keep_ratio', False) or resize.get('scale') is None:
            raise ConfigError(
                f'{config_name}: only a Resize to one fixed size (scale=(width, height), '
                'keep_ratio=False) can be exported.'
            )
        width, height = resize['scale']
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
            tokenizer=_plain(tokens['tokenizer']),
            max_tokens=tokens.get('max_tokens', 20),
            channels=channels,
            colour_order='RGB' if preprocessor.get('bgr_to_rgb') else 'BGR',
        )

    def as_json(self) -> str:
        """Return the attributes as a JSON object, with names and shapes of inputs and output."""
        return json.dumps({**dataclasses.asdict(self), **self.signature()}, indent=2)

    def signature(self) -> dict[str, Any]:
        """Names, shapes and types of inputs and output; ``B`` is any batch size."""
        text = dict(shape=['B', self.max_tokens], dtype='int64')
        return dict(
            inputs=dict(
                images=dict(shape=['B', 3, self.height, self.width], dtype='float32'),
                input_ids=text,
                attention_mask=text,
            ),
            outputs=dict(
                logits=dict(
                    shape=['B', self.channels, -(-self.height // 4), -(-self.width // 4)],
                    dtype='float32',
                )
            ),
        )


def _test_pipeline(config: Config) -> list[dict]:
    """Pipeline of the test dataset; of the first one where several are joined."""
    dataset = config.test_dataloader.dataset
    while 'pipeline' not in dataset:
        dataset = dataset['datasets'][0] if 'datasets' in dataset else dataset['dataset']
    return dataset['pipeline']


def _plain(tokenizer: str | dict) -> str | dict[str, Any]:
    """Without mmengine's classes of configs."""
    return tokenizer.to_dict() if isinstance(tokenizer, ConfigDict) else tokenizer
