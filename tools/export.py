# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exports a trained model: ``python tools/export.py CONFIG CHECKPOINT --format onnx --check``.

The exported function is ``predict_logits(images, input_ids, attention_mask)`` with any batch size.
Beside ``FILE`` it writes ``FILE.json`` (sizes, mean and std, tokens, threshold; also inside the
file) and ``FILE.tokenizer.json``.
"""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction

from magnet_mm.deployment import FORMATS, export_checkpoint, largest_difference
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
    out = args.out or args.checkpoint.with_suffix(FORMATS[args.format].suffix)
    try:
        files = export_checkpoint(
            load_config(args.config, args.cfg_options),
            Path(args.config).name,
            args.checkpoint,
            out,
            args.format,
            with_tokenizer=not args.without_tokenizer,
            device=args.device,
        )
    except (CheckpointError, ConfigError) as error:
        sys.exit(f'export: {error}')
    for path in (files.model, files.metadata, files.tokenizer):
        if path is not None:
            print(f'{path}: {path.stat().st_size / 2**20:.2f} MiB')
    if args.check:
        difference = largest_difference(files, FORMATS[args.format].load(files.model))
        print(f'Largest difference from torch, batches of 1 and 3: {difference:.1e}')
        if not difference <= TOLERANCE:
            sys.exit(f'export: more than {TOLERANCE}; do not use {files.model}.')


if __name__ == '__main__':
    main()
