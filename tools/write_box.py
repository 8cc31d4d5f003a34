# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes the model in the box from a run of ``make demo``: ``python tools/write_box.py``.

The best weights are rounded to float16, and these are evaluated on every split of the demo, so the
card's scores are those of the file beside it. A scene of RefShapes that no training saw, and a
sentence for each of its objects, go with it. The box that was there is replaced at the end.
"""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.demo_run import best_checkpoint, read_demo_run
from PIL import Image

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.atomic_files import replacing
from magnet_mm.cli import test
from magnet_mm.cli.dispatch import run_command
from magnet_mm.errors import ConfigError
from magnet_mm.refshapes.writer import make_example
from magnet_mm.sharing import box, read_folder

MAX_BYTES = 8_000_000
TRAINING = """\
## Training

Trained from nothing by `make demo` of magnet_mm: {epochs} epochs, {steps:,} steps, on two CPU
cores, on RefShapes, generated scenes of coloured shapes with sentences about them. It knows shapes,
colours, sizes and places, nothing else, so it is of no use on photographs. It shows what a trained
model does without a download."""


def write_box(run: Path, config: str, out: Path, sample: int) -> Path:
    """Write the box.

    Args:
        run: Work folder of ``make demo``.
        config: Its config.
        out: Folder of the box.
        sample: Number of the scene within RefShapes' val split.

    Raises:
        DataError: The run is not complete.
        ConfigError: The box takes more than 8 MB, or ``out`` is there and no shared model.
    """
    measured = read_demo_run(run)
    inferencer = ReferringSegInferencer(config, best_checkpoint(run), 'cpu')
    with tempfile.TemporaryDirectory() as temporary:
        rounded = inferencer.save_pretrained(Path(temporary) / 'rounded', half=True)
        results = Path(temporary) / 'results.json'
        test.main(
            [config, str(rounded / 'model.safetensors'), '--work-dir', temporary]
            + ['--splits', *measured['scores'], '--json', str(results)]
        )
        new = inferencer.save_pretrained(
            Path(temporary) / 'new',
            scores=json.loads(results.read_text(encoding='utf-8')),
            half=True,
            identifier='',
            license='apache-2.0',
            training=TRAINING.format(**measured),
        )
        write_sample(new / box.SAMPLE, sample)
        size = sum(file.stat().st_size for file in new.rglob('*') if file.is_file())
        if size > MAX_BYTES:
            raise ConfigError(f'The box takes {size:,} bytes; at most {MAX_BYTES:,} travel.')
        if out.exists():
            read_folder(out)  # nothing but a shared model is replaced
            shutil.rmtree(out)
        with replacing(out, folder=True) as unfinished:
            shutil.copytree(new, unfinished, dirs_exist_ok=True)
    print(f'{out}: {size:,} bytes')
    return out


def write_sample(path: Path, number: int) -> None:
    """Write scene ``number`` of RefShapes' val split, and a sentence for each of its refs."""
    example = make_example(0, 'val', number)
    Image.fromarray(example.image).save(path)
    sentences = [said[0][1] for _, said in sorted(example.sentences.items())]
    path.with_suffix('.txt').write_text('\n'.join(sentences) + '\n', encoding='utf-8')


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('run', nargs='?', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--config', default=box.NAME, help=f'config of the run ({box.NAME})')
    parser.add_argument('--out', type=Path, default=box.FOLDER, help='default: in the package')
    parser.add_argument('--sample', type=int, default=0, help='number of a scene of val (0)')
    args = parser.parse_args(arguments)
    write_box(args.run, args.config, args.out, args.sample)


if __name__ == '__main__':
    sys.exit(run_command(main, None, 'write_box'))
