# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Serves the demo page: ``magnet-mm demo [--config C --weights W]``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.cli.infer import add_model_arguments
from magnet_mm.errors import ConfigError


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Serve a page where people upload an image and type what to look for.'
    )
    add_model_arguments(parser)
    parser.add_argument(
        '--host', default='127.0.0.1', help='0.0.0.0 lets other machines in (default 127.0.0.1)'
    )
    parser.add_argument('--port', type=int, help='default: the first free one from 7860')
    parser.add_argument('--open', action='store_true', help='open a browser')
    parser.add_argument('--share', action='store_true', help="publish through gradio's servers")
    parser.add_argument(
        '--examples', metavar='DIR', help='images to offer; x.txt holds the sentences of x.jpg'
    )
    parser.add_argument(
        '--max-queue', type=int, default=256, help='requests that may wait (default 256)'
    )
    parser.add_argument(
        '--max-upload-mb', type=float, default=10, help='largest image file (default 10)'
    )
    parser.add_argument(
        '--collect',
        type=Path,
        metavar='DIR',
        help='let people correct answers, and save them there',
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C."""
    args = parse_args(arguments)
    if find_spec('gradio') is None:
        raise ConfigError('The demo page needs gradio: pip install "gradio>=6".')
    if args.max_queue < 1 or args.max_upload_mb <= 0:
        raise ConfigError('--max-queue and --max-upload-mb must be positive.')
    from magnet_mm.demo.answering import Answerer
    from magnet_mm.demo.collecting import Collection
    from magnet_mm.demo.correcting import Corrector
    from magnet_mm.demo.examples import make_examples
    from magnet_mm.demo.page import build_page, launch_page

    inferencer = ReferringSegInferencer(args.config, args.weights, args.device, show_progress=False)
    max_bytes = int(args.max_upload_mb * 2**20)
    page = build_page(
        Answerer(inferencer, max_bytes),
        escape(', '.join([inferencer.name, *([Path(args.weights).name] if args.weights else [])])),
        make_examples(inferencer.cfg, args.examples),
        max_bytes,
        args.max_queue,
        Corrector(inferencer, max_bytes, Collection(args.collect)) if args.collect else None,
    )
    launch_page(
        page,
        max_bytes,
        args.collect is not None,
        server_name=args.host,
        server_port=args.port,
        share=args.share,
        inbrowser=args.open,
    )
    return 0
