# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Segments images by sentences: ``magnet-mm infer IMAGE "the red circle"``.

IMAGE may be a folder; every sentence is asked of every image. Without --config and --weights the
model in the box answers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.apis.requests import images_in_folder, pair_images_and_expressions
from magnet_mm.apis.result_writer import RESULTS_FILE
from magnet_mm.errors import ConfigError
from magnet_mm.visualization import printable


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Segment what sentences refer to in images.')
    parser.add_argument('image', help='image file, address, or folder of images')
    parser.add_argument(
        'sentences', nargs='+', metavar='SENTENCE', help='for example: "the red cup"'
    )
    add_model_arguments(parser)
    parser.add_argument(
        '--out-dir', metavar='DIR', help='write masks, pictures and predictions.jsonl there'
    )
    parser.add_argument('--batch-size', type=int, default=8, help='sentences at once (default 8)')
    parser.add_argument(
        '--save-probabilities', action='store_true', help='write probability maps too (.npy)'
    )
    parser.add_argument('--show', action='store_true', help='show the pictures in a window')
    parser.add_argument(
        '--ignore-exif', action='store_true', help='leave photographs turned as they are stored'
    )
    return parser.parse_args(arguments)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which trained model a command uses."""
    parser.add_argument(
        '--config',
        help='config file, or name of a shipped one (magnet_swinb_refcoco); without --weights: '
        'folder of a shared model, or its owner/name on the Hugging Face hub (default: the small '
        'model that travels with the package)',
    )
    parser.add_argument('--weights', help='checkpoint file or address')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 ... (default: what is there)')


def main(arguments: Sequence[str] | None = None) -> int:
    """Segment, print a table of scores, write the results."""
    args = parse_args(arguments)
    if args.save_probabilities and args.out_dir is None:
        raise ConfigError('--save-probabilities needs --out-dir.')
    images = images_of(args.image)
    sentences = [args.sentences] * len(images)
    pair_images_and_expressions(images, sentences)  # before a large model is loaded in vain
    inferencer = ReferringSegInferencer(args.config, args.weights, args.device)
    results = inferencer.iterate(
        images,
        sentences,
        out_dir=args.out_dir,
        batch_size=args.batch_size,
        return_probabilities=args.save_probabilities,
        show=args.show,
        exif_rotation=not args.ignore_exif,
    )
    table = Table(show_edge=False)
    for column in ('image', 'sentence', 'score', 'pixels', 'note'):
        numbers = column in ('score', 'pixels')
        table.add_column(column, justify='right' if numbers else 'left', overflow='fold')
    for result in results:
        table.add_row(
            escape(printable(result.image_name)),
            escape(printable(result.expression)),
            f'{result.score:.3f}',
            str(result.area),
            escape(printable('; '.join(result.notes))),
        )
    Console().print(table)
    if args.out_dir is not None:
        print(f'Results: {args.out_dir} ({RESULTS_FILE}, pred/, vis/)')
    return 0


def images_of(path: str) -> list[str]:
    """Return the image, or the images in the folder."""
    return [str(one) for one in images_in_folder(path)] if os.path.isdir(path) else [path]
