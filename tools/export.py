# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exports a trained model: ``python tools/export.py CONFIG CHECKPOINT --format onnx --check``.

The exported function is ``predict_logits(images, input_ids, attention_mask)`` with any batch size.
Beside ``FILE`` it writes ``FILE.json`` (sizes, mean and std, tokens, threshold; also inside the
file) and ``FILE.tokenizer.json``. With --split an ONNX model that encodes images without language
becomes two files, ``NAME.image.onnx`` and ``NAME.sentence.onnx``; with --int8 every ONNX file has a
smaller one beside it, ``NAME.int8.onnx``.
"""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction

from magnet_mm.deployment import (
    FORMATS,
    ExportedFiles,
    SplitFiles,
    export_checkpoint,
    export_split,
    largest_difference,
    quantize_int8,
)
from magnet_mm.engine.run_setup.runtime import load_config
from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.interruption import exit_on_sigterm

TOLERANCE = 1e-3  # of a logit


def build_parser() -> argparse.ArgumentParser:
    """Run the command line."""
    parser = argparse.ArgumentParser(description='Export a referring segmentation model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', type=Path, help='checkpoint file')
    parser.add_argument('--format', choices=FORMATS, default='onnx')
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='file to write (default: beside the checkpoint)'
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help=f'run the file with batches of 1 and 3, and fail where a logit differs from torch by '
        f'more than {TOLERANCE}',
    )
    parser.add_argument(
        '--split',
        action='store_true',
        help='onnx: one file that encodes images and one that answers sentences about them, for '
        'methods that encode the image without language',
    )
    parser.add_argument(
        '--int8',
        action='store_true',
        help='onnx: also write the files with their matrix products in 8 bits',
    )
    parser.add_argument(
        '--without-tokenizer',
        action='store_true',
        help='do not write FILE.tokenizer.json (the tokenizer need not be there then)',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        help='where torchscript and torch-export files are recorded and have to run (default: cpu)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override config values: key=value; nested key.sub=value; lists key="[a,b]"',
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Export, check, and say what was written."""
    args = build_parser().parse_args(arguments)
    exit_on_sigterm()
    try:
        if (args.split or args.int8) and args.format != 'onnx':
            raise ConfigError('--split and --int8 are for --format onnx.')
        files = _export(args)
        written = [files.image, files.sentence] if args.split else [files]
        smaller = [quantize_int8(part) for part in written] if args.int8 else []
    except (CheckpointError, ConfigError) as error:
        sys.exit(f'export: {error}')
    paths = [path for part in written for path in (part.model, part.metadata, part.tokenizer)]
    for path in (*filter(None, paths), *smaller):
        print(f'{path}: {path.stat().st_size / 2**20:.2f} MiB')
    if args.check:
        run = files.load() if args.split else FORMATS[args.format].load(files.model)
        difference = largest_difference(files, run)
        print(f'Largest difference from torch, batches of 1 and 3: {difference:.1e}')
        if not difference <= TOLERANCE:
            sys.exit(f'export: more than {TOLERANCE}; do not use {written[-1].model}.')


def _export(args: argparse.Namespace) -> ExportedFiles | SplitFiles:
    config = load_config(args.config, args.cfg_options)
    name, tokenizer = Path(args.config).name, not args.without_tokenizer
    out = args.out or args.checkpoint.with_suffix(FORMATS[args.format].suffix)
    if args.split:
        return export_split(config, name, args.checkpoint, out, tokenizer)
    return export_checkpoint(
        config, name, args.checkpoint, out, args.format, tokenizer, args.device
    )


if __name__ == '__main__':
    main()
