# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Inference without a dataset: images and sentences in, masks out."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.progress import track
from torch import nn

from magnet_mm.apis.config_files import find_config, is_config
from magnet_mm.apis.image_reading import read_image
from magnet_mm.apis.inference_pipeline import InferencePipeline
from magnet_mm.apis.requests import ImageRequest, pair_images_and_expressions
from magnet_mm.apis.result_writer import RESULTS_FILE, ResultWriter
from magnet_mm.apis.results import ReferringResult, make_result
from magnet_mm.apis.shareable import Shareable
from magnet_mm.engine.checkpointing.no_target_threshold import stored_threshold
from magnet_mm.engine.hooks.checkpoint_fit_hook import compare_state_dicts
from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.sharing import open_shared
from magnet_mm.visualization import ReferringVisualizer, draw_panels


class ReferringSegInferencer(Shareable, BaseInferencer):
    """Finds what sentences refer to in images; needs no dataset.

    ::

        inferencer = ReferringSegInferencer('magnet_swinb_refcoco', 'magnet.pth')
        results = inferencer('photo.jpg', ['the man on the left', 'his hat'], out_dir='out')
        results[0].mask, results[0].score  # bool [H, W] at the photo's size, 0 to 1

    The image goes through the test pipeline of the config, the model through ``test_step``, so a
    mask is what ``tools/test.py`` scores at ``resolution='original'``. An image is read and
    prepared once for all its sentences.

    Args:
        config: A config file, the name of a shipped config, or a config object. Without weights: a
            shared model, which is a folder or its ``owner/name`` on the Hugging Face hub
            (docs/sharing.md); by default the small one that travels with the package.
        weights: A checkpoint: a file, or an address that mmengine loads. Only tensors and plain
            types are read from it (``weights_only``), so it cannot run code.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...; by default what mmengine finds.
        show_progress: Show a progress bar where there is more than one batch.

    Raises:
        ConfigError: If there is no such config, or it is not of a referring model.
        CheckpointError: If the checkpoint is absent, damaged, unsafe, or does not fit the model
            (parts that only training needs may be absent).
    """

    preprocess_kwargs = {'exif_rotation'}
    forward_kwargs: set = set()
    visualize_kwargs = {'show', 'wait_time'}
    postprocess_kwargs = {'return_probabilities'}

    def __init__(
        self,
        config: str | os.PathLike[str] | Config | ConfigDict | dict | None = None,
        weights: str | os.PathLike[str] | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        if weights is None:
            if isinstance(config, dict | Config) or is_config(config):
                raise CheckpointError('A config needs weights: without, every mask is random.')
            config, weights = open_shared(config)
        if config is None:
            raise ConfigError('Weights need the config that they were trained with.')
        if isinstance(config, str | os.PathLike):
            config = Config.fromfile(find_config(config))
        weights = os.path.expanduser(os.fspath(weights))
        if '://' not in weights and not os.path.isfile(weights):
            raise CheckpointError(f'There is no checkpoint {weights}.')
        if not config.get('model'):
            raise ConfigError('The config has no model.')
        with DefaultScope.overwrite_default_scope('mmseg'):
            super().__init__(config, weights, device, scope='mmseg', show_progress=show_progress)

    def __call__(
        self,
        images: Any,
        expressions: str | Sequence[str] | Sequence[Sequence[str]],
        out_dir: str | os.PathLike[str] | None = None,
        batch_size: int = 8,
        return_pictures: bool = False,
        **kwargs: Any,
    ) -> list[ReferringResult]:
        """Segment.

        Args:
            images: A path or address, an array (BGR uint8 [H, W, 3], as mmcv and OpenCV read), a
                Pillow image, a folder, or a list of these.
            expressions: A sentence for every image; a list of sentences: all for the one image,
                or one per image; or a list with a list of sentences for each image. See
                :func:`magnet_mm.apis.requests.pair_images_and_expressions`.
            out_dir: Write masks and pictures there, see :class:`ResultWriter`.
            batch_size: Sentences that go through the model together.
            return_pictures: Give every result its ``picture``.
            **kwargs: ``return_probabilities`` (False): give every result its ``probability``;
                ``show`` (False) and ``wait_time`` (0 s): show the pictures in a window;
                ``exif_rotation`` (True): turn photographs upright as their EXIF tag says.

        Returns:
            One result per sentence: in the order of the images, then of the sentences.

        Raises:
            DataError: If an image cannot be read, a sentence is blank, or the numbers differ.
                What was written to ``out_dir`` before stays there.
        """
        return list(
            self.iterate(images, expressions, out_dir, batch_size, return_pictures, **kwargs)
        )

    def iterate(
        self,
        images: Any,
        expressions: str | Sequence[str] | Sequence[Sequence[str]],
        out_dir: str | os.PathLike[str] | None = None,
        batch_size: int = 8,
        return_pictures: bool = False,
        **kwargs: Any,
    ) -> Iterator[ReferringResult]:
        """Yield the results of :meth:`__call__` batch by batch, for lists that fill the memory."""
        if batch_size < 1:
            raise ConfigError(f'batch_size={batch_size}: give at least 1.')
        preprocess, _, visualize, postprocess = self._dispatch_kwargs(**kwargs)
        requests = pair_images_and_expressions(images, expressions)
        total = -(-sum(len(request.expressions) for request in requests) // batch_size)
        batches = self.preprocess(requests, batch_size, **preprocess)
        draw = return_pictures or out_dir is not None or visualize.get('show', False)
        with ResultWriter(out_dir) if out_dir is not None else nullcontext() as writer:
            for originals, data in self._with_progress(batches, total):
                samples = self.forward(data)
                results = self.postprocess(samples, originals, **postprocess)
                if draw:
                    pictures = self.visualize(
                        [image for _, image in originals], results, **visualize
                    )
                    for result, picture in zip(results, pictures, strict=True):
                        result.picture = picture
                for result in results:
                    if writer is not None:
                        writer.write(result)
                    if not return_pictures:
                        result.picture = None
                yield from results

    def preprocess(
        self, inputs: Sequence[ImageRequest], batch_size: int = 8, exif_rotation: bool = True
    ) -> Iterator[tuple[list[tuple[ImageRequest, np.ndarray]], dict]]:
        """Yield batches: for each sentence its request and image (BGR), and the model's input."""
        inferred = (
            ((request, image), data)
            for request in inputs
            for image in [read_image(request.source, request.name, exif_rotation)]
            for data in self.pipeline(image, request.expressions, img_path=request.path)
        )
        for batch in _chunks(inferred, batch_size):
            yield [original for original, _ in batch], self.collate_fn([data for _, data in batch])

    def visualize(
        self,
        inputs: Sequence[Any],
        preds: Sequence[ReferringResult],
        show: bool = False,
        wait_time: float = 0,
    ) -> list[np.ndarray]:
        """Draw image | mask under the sentence.

        Args:
            inputs: The image of each result, as :meth:`__call__` takes them (no folders).
            preds: Results.
            show: Show each picture in a window.
            wait_time: Seconds the window stays; 0 waits for a key.

        Returns:
            RGB uint8 [h, w, 3] each.
        """
        if len(inputs) != len(preds):
            raise DataError(
                f'{len(inputs)} images but {len(preds)} results; give the image of each result.'
            )
        pictures = []
        for source, result in zip(inputs, preds, strict=True):
            image = mmcv.bgr2rgb(read_image(source, result.image_name))
            picture = draw_panels(
                image, result.expression, prediction=result.mask, alpha=self.visualizer.alpha
            )
            if show:
                self.visualizer.show(picture, win_name=result.image_name, wait_time=wait_time)
            pictures.append(picture)
        return pictures

    def postprocess(
        self,
        preds: Sequence[SegDataSample],
        originals: Sequence[tuple[ImageRequest, np.ndarray]],
        return_probabilities: bool = False,
    ) -> list[ReferringResult]:
        """Turn predicted samples into results at the size of their images."""
        results = []
        for sample, (request, _) in zip(preds, originals, strict=True):
            result = make_result(sample, request.name, notes=self.pipeline.notes(sample.expression))
            if not return_probabilities:
                result.probability = None
            results.append(result)
        return results

    @staticmethod
    def save(results: Iterable[ReferringResult], out_dir: str | os.PathLike[str]) -> Path:
        """Write results to a folder, see :class:`ResultWriter`; returns its JSON-lines file."""
        with ResultWriter(out_dir) as writer:
            for result in results:
                writer.write(result)
        return writer.out_dir / RESULTS_FILE

    def _init_model(self, cfg: Config, weights: str, device: str = 'cpu') -> nn.Module:
        # auxiliary heads are for training alone; building MagNet's takes longer than all the rest
        cfg = copy.deepcopy(cfg)
        cfg.model.pop('auxiliary_head', None)
        model = super()._init_model(cfg, weights, 'cpu')
        return revert_sync_batchnorm(model).to(device).eval()

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: dict | None, cfg: Config | None
    ) -> None:
        """Copy the weights if they fit; ``CheckpointFitHook`` does the same under a Runner."""
        state_dict = checkpoint.get('state_dict', checkpoint)
        if not isinstance(state_dict, dict):
            raise CheckpointError("The checkpoint's state_dict is no dict of tensors.")
        loaded = {str(key).removeprefix('module.'): value for key, value in state_dict.items()}
        hook = cfg.get('default_hooks', {}).get('checkpoint_fit') or {}
        training_only = tuple(hook.get('training_only', ('auxiliary_head.',)))
        problems = compare_state_dicts(model.state_dict(), loaded, training_only)
        if problems:
            raise CheckpointError(
                'The checkpoint does not fit the config:\n'
                + '\n'.join(problems)
                + '\nUse the config that it was trained with; released checkpoints are converted '
                'first (tools/model_converters).'
            )
        not_finite = [
            key
            for key, value in loaded.items()
            if value.is_floating_point() and not value.isfinite().all()
        ]
        if not_finite:
            raise CheckpointError(
                f'{len(not_finite)} weights of the checkpoint hold NaN or infinity '
                f'({", ".join(not_finite[:5])}): its training diverged. Use an earlier one.'
            )
        model.load_state_dict(loaded, strict=False)  # compared above
        if hasattr(model, 'set_no_target_threshold'):
            model.set_no_target_threshold(stored_threshold(checkpoint))

    def _init_pipeline(self, cfg: Config) -> InferencePipeline:
        return InferencePipeline(cfg)

    def _init_collate(self, cfg: Config) -> Callable:
        """Return the config's own; else samples stay lists (mmengine's ``pseudo_collate``)."""
        if (cfg.get('test_dataloader') or {}).get('collate_fn'):
            return super()._init_collate(cfg)
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> ReferringVisualizer:
        """Build a visualizer without the config's backends: nothing goes to a training logger."""
        alpha = (cfg.get('visualizer') or {}).get('alpha', 0.35)
        return ReferringVisualizer(name=f'inferencer-{id(self)}', alpha=alpha)

    def _with_progress(self, batches: Iterable, total: int) -> Iterable:
        if not self.show_progress or total < 2:
            return batches
        return track(batches, description='Inference', total=total, console=Console(stderr=True))


def _chunks(items: Iterable, size: int) -> Iterator[list]:
    """Yield lists of ``size`` items, the last one shorter (Python 3.12's ``batched``)."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
