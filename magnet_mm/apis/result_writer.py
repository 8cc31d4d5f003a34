# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes results as they come: masks, pictures, probability maps, one JSON line each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from magnet_mm.apis.results import ReferringResult
from magnet_mm.json_lines import to_text

RESULTS_FILE = 'predictions.jsonl'


class ResultWriter:
    """A folder of results; a context manager.

    ::

        OUT/predictions.jsonl       one line per result: image, expression, score, area, notes,
                                    mask (COCO RLE), and the names of the files below
        OUT/pred/photo_00.png       mask of sentence 0 of photo.jpg: 0 or 255, the image's size
        OUT/vis/photo_00.png        picture, where the result has one
        OUT/prob/photo_00.npy       float32 probability map, where the result has one

    Images of one name in several folders get names of their own (``photo-2_00.png``). Files of an
    earlier call are replaced.

    Args:
        out_dir: The folder; it is made.
    """

    def __init__(self, out_dir: str | os.PathLike[str]) -> None:
        self.out_dir = Path(out_dir)
        self.out_dir.mkdir(parents=True, exist_ok=True)
        self._file = open(self.out_dir / RESULTS_FILE, 'w', encoding='utf-8')  # noqa: SIM115
        self._stems: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, result: ReferringResult) -> None:
        """Write one result; on disk when this returns."""
        name = self._unique_name(result)
        files = {'mask_file': f'pred/{name}.png'}
        self._save_image(files['mask_file'], result.mask.astype(np.uint8) * 255)
        if result.picture is not None:
            files['picture_file'] = f'vis/{name}.png'
            self._save_image(files['picture_file'], result.picture)
        if result.probability is not None:
            files['probability_file'] = f'prob/{name}.npy'
            np.save(self._path(files['probability_file']), result.probability)
        self._file.write(to_text({**result.to_dict(), **files}))
        self._file.flush()

    def _unique_name(self, result: ReferringResult) -> str:
        image = result.image_path or result.image_name
        if image not in self._stems:
            stem = re.sub(r'[^\w.-]', '_', Path(result.image_name).stem)[:100] or 'image'
            taken, candidate, copy = set(self._stems.values()), stem, 1
            while candidate in taken:
                copy += 1
                candidate = f'{stem}-{copy}'
            self._stems[image] = candidate
        number = self._counts.get(image, 0)
        self._counts[image] = number + 1
        return f'{self._stems[image]}_{number:02d}'

    def _save_image(self, name: str, pixels: np.ndarray) -> None:
        Image.fromarray(pixels).save(self._path(name))

    def _path(self, name: str) -> Path:
        path = self.out_dir / name
        path.parent.mkdir(exist_ok=True)
        return path
