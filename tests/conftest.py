# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tiny models and batches for every test: seconds on a CPU, no files, no network."""

from __future__ import annotations

import magnet_mm  # noqa: F401  isort: skip  (before mmseg, for mmcv-lite)

import contextlib
import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmengine.visualization import Visualizer
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from magnet_mm.visualization import ReferringVisualizer

ROOT = Path(__file__).resolve().parents[1]
MASK_TOKEN = 4
VOCABULARY = 200


@pytest.fixture(autouse=True)
def _reproducible() -> None:
    """One thread (tiny tensors gain nothing from more) and a fixed seed for every test."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_visualizer() -> Iterator[None]:
    """mmengine keeps visualizers by name for the whole process; no test sees another's."""
    yield
    for kind in (Visualizer, SegLocalVisualizer, ReferringVisualizer):
        kind._instance_dict.clear()


def _tiny_magnet_config() -> ConfigDict:
    """``configs/_base_/models/magnet_swinb.py`` at toy sizes, without pretrained weights."""
    from mmengine.config import Config

    model = Config.fromfile(str(ROOT / 'configs/_base_/models/magnet_swinb.py')).model
    model.backbone.visual.update(
        embed_dims=32,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 4, 8],
        window_size=4,
        drop_path_rate=0.0,
        init_cfg=None,
    )
    model.backbone.text.update(
        groups=(1, 1, 1, 1),
        pretrained=None,
        config=dict(
            vocab_size=VOCABULARY,
            hidden_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=32,
        ),
    )
    model.decode_head.update(
        channels=64,
        num_heads=4,
        encoder_layers=2,
        encoder_ffn_channels=128,
        decoder_layers=3,
        decoder_ffn_channels=128,
    )
    model.auxiliary_head[0].update(
        mask_token_id=MASK_TOKEN, num_layers=2, num_heads=4, ffn_channels=128
    )
    return model


def _make_samples(
    batch: int = 2,
    size: int | tuple[int, int] = 64,
    tokens: int = 10,
    lengths: Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[torch.Tensor, list[SegDataSample]]:
    """Normalised images ``[B, 3, H, W]`` and their samples; each mask is a centred rectangle.

    Ids 5.. are words, 2 is [CLS], 3 [SEP], 0 padding. Sentence ``k`` has ``lengths[k]`` tokens,
    by default ``tokens - k % 3`` so that some are padded.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.randn(batch, 3, height, width, generator=generator)
    samples = []
    for index in range(batch):
        length = lengths[index] if lengths is not None else tokens - index % 3
        ids = torch.randint(5, VOCABULARY, (tokens,), generator=generator)
        ids[0], ids[length - 1], ids[length:] = 2, 3, 0
        mask = torch.zeros(1, height, width, dtype=torch.uint8)
        mask[:, height // 4 : 3 * height // 4, width // 4 : width // 2 + index] = 1
        sample = SegDataSample(
            metainfo=dict(
                img_path=f'{index}.jpg',
                ori_shape=(height, width),
                img_shape=(height, width),
                expression=f'sentence {index}',
                ref_id=index,
                sent_id=index,
            )
        )
        sample.gt_sem_seg = PixelData(data=mask)
        place = torch.arange(tokens)
        sample.set_data(
            dict(
                input_ids=ids,
                attention_mask=(place < length).long(),
                special_tokens_mask=((place == 0) | (place >= length - 1)).long(),
            )
        )
        samples.append(sample)
    return images, samples


@pytest.fixture
def tiny_magnet_config() -> Callable[[], ConfigDict]:
    """Call it for a fresh config of a tiny MagNet."""
    return _tiny_magnet_config


@pytest.fixture
def make_samples() -> Callable[..., tuple[torch.Tensor, list[SegDataSample]]]:
    """Call it for images and data samples; see :func:`_make_samples` for the arguments."""
    return _make_samples


@pytest.fixture
def build_model() -> Callable[[ConfigDict], torch.nn.Module]:
    """Call it with a model config; weights are initialised from a fixed seed."""

    def build(config: ConfigDict) -> torch.nn.Module:
        from mmengine.registry import init_default_scope
        from mmseg.registry import MODELS

        init_default_scope('mmseg')
        torch.manual_seed(1)
        model = MODELS.build(config)
        model.init_weights()
        return model

    return build


@pytest.fixture(scope='session')
def random_weights(tmp_path_factory) -> Path:
    """A checkpoint of configs/magnet_tiny_refshapes.py: random, but with masks that are neither
    empty nor full, and that depend on the sentence.
    """
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    from magnet_mm.apis import ReferringSegInferencer

    config = ROOT / 'configs/magnet_tiny_refshapes.py'
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    for seed in range(30):
        torch.manual_seed(seed)
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(Config.fromfile(config).model)
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
        inferencer = ReferringSegInferencer(config, path, 'cpu')
        first, second = inferencer(image, ['the red circle', 'left square'])
        shares = [result.mask.mean() for result in (first, second)]
        if all(0.01 < share < 0.99 for share in shares) and (first.mask != second.mask).any():
            return path
    raise AssertionError('no seed of 30 gives the random model masks of use')


@pytest.fixture(scope='session')
def model_in_box(random_weights, tmp_path_factory) -> Iterator[Path]:
    """The folder of the model in the box; where none is committed yet, one of random weights."""
    from write_box import write_sample

    from magnet_mm.apis import ReferringSegInferencer
    from magnet_mm.sharing import box

    if (box.FOLDER / 'config.json').is_file():
        yield box.FOLDER
        return
    inferencer = ReferringSegInferencer(box.NAME, random_weights, 'cpu')
    folder = inferencer.save_pretrained(tmp_path_factory.mktemp('box') / box.NAME, half=True)
    write_sample(folder / box.SAMPLE, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box, 'FOLDER', folder)
        yield folder


@pytest.fixture(scope='session')
def run_tool(tmp_path_factory) -> Callable[..., str]:
    """Call it with a tool, its arguments, ``cwd`` and environment variables for what it prints.

    The tool runs in a fork of this process, which has imported torch and the rest already.
    """
    folder = tmp_path_factory.mktemp('tools')

    def run(tool: Path, *arguments: object, cwd: Path = folder, **environment: str) -> str:
        output = folder / 'output'
        child = multiprocessing.get_context('fork').Process(
            target=_as_main, args=(tool, [str(one) for one in arguments], cwd, environment, output)
        )
        child.start()
        child.join(600)
        child.kill()
        printed = output.read_text(encoding='utf-8')
        assert child.exitcode == 0, printed[-5000:]
        return printed

    return run


def _as_main(
    tool: Path, arguments: list[str], cwd: Path, environment: dict[str, str], output: Path
) -> None:
    os.chdir(cwd)
    os.environ.update(environment)
    sys.argv = [str(tool), *arguments]
    sys.path.insert(0, str(tool.parent))
    with (
        output.open('w', encoding='utf-8', buffering=1) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        runpy.run_path(str(tool), run_name='__main__')
