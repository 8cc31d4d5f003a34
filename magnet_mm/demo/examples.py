# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Images to try: those of a folder, a photograph of matplotlib's, or scenes of RefShapes."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path

from matplotlib import cbook
from mmengine.config import Config

from magnet_mm.apis.requests import images_in_folder
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.refshapes import write_refshapes

_PHOTOGRAPH = 'grace_hopper.jpg'  # US Navy, public domain; ships with matplotlib
_PHOTOGRAPH_SENTENCES = ('the woman in uniform', 'the hat', 'the flag behind her')


def make_examples(config: Config, folder: str | os.PathLike[str] | None = None) -> list[dict]:
    """Examples for a model.

    Args:
        config: Its config. One that reads RefShapes gets scenes of it, any other a photograph.
        folder: Take the images in this folder instead; ``photo.txt`` beside ``photo.jpg`` holds
            its sentences, one per line.

    Returns:
        ``{'picture': data URL, 'sentences': one per line}`` each.

    Raises:
        DataError: If the folder holds no image.
    """
    if folder is not None:
        return [_example(path, _sentences_beside(path)) for path in images_in_folder(folder)]
    if config.test_dataloader.dataset.get('dataset_name') == 'refshapes':
        return _refshapes_scenes()
    photograph = Path(cbook.get_sample_data(_PHOTOGRAPH, asfileobj=False))
    return [_example(photograph, _PHOTOGRAPH_SENTENCES)]


def _refshapes_scenes(count: int = 4) -> list[dict]:
    """Scenes drawn anew with the sentences of their own annotation, two objects each."""
    with tempfile.TemporaryDirectory() as root:
        counts = dict(train=1, val=count, testA=1, testB=1)
        write_refshapes(Path(root), 7, counts)
        annotations = Path(root) / 'refshapes'
        records = load_records(
            str(annotations / 'instances.json'), str(annotations / 'refs(unc).p'), 'val'
        )
        sentences: dict[str, list[str]] = {}
        for record in records:
            sentences.setdefault(record['file_name'], []).append(record['sentences'][0]['raw'])
        images = Path(root) / 'images/mscoco/images/train2014'
        return [_example(images / name, texts[:2]) for name, texts in sorted(sentences.items())]


def _sentences_beside(path: Path) -> tuple[str, ...]:
    text = path.with_suffix('.txt')
    return tuple(text.read_text(encoding='utf-8').splitlines()) if text.is_file() else ()


def _example(path: Path, sentences: list[str] | tuple[str, ...]) -> dict[str, str]:
    kind = 'png' if path.suffix.lower() == '.png' else 'jpeg'
    encoded = base64.b64encode(path.read_bytes()).decode('ascii')
    return dict(picture=f'data:image/{kind};base64,{encoded}', sentences='\n'.join(sentences))
