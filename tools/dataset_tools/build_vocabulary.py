# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Builds the vocabulary that a config names, from its training annotations (docs/data.md).

python tools/dataset_tools/build_vocabulary.py configs/cmpc_r101_refcoco.py
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

import magnet_mm  # noqa: F401  (registers the components)
from magnet_mm.data_tools.vocabulary import (
    count_words,
    tokenizer_settings,
    training_sentences,
    write_vocabulary,
)
from magnet_mm.datasets.tokenizers import TOKENIZERS
from magnet_mm.errors import ConfigError, DataError


def main(argv: list[str] | None = None) -> int:
    """Build and report."""
    parser = argparse.ArgumentParser(description='Build the vocabulary of words of a config.')
    parser.add_argument('config', help='config whose TokenizeExpression has a WordTokenizer')
    parser.add_argument('--out', type=Path, help='file to write (default: the one it names)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='change the config')
    args = parser.parse_args(argv)
    try:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        init_default_scope('mmseg')
        settings = tokenizer_settings(cfg)
        out = args.out or Path(settings['vocabulary']).expanduser()
        splitter = TOKENIZERS.module_dict[settings['type']].splitter
        rows = cfg.model.backbone.text.get('vocabulary_size')
        counts = count_words(training_sentences(cfg), splitter(settings))
        out.parent.mkdir(parents=True, exist_ok=True)
        lines = write_vocabulary(out, counts, rows)
    except (ConfigError, DataError) as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    room = f' The text encoder of the config has {rows} rows.' if rows else ''
    print(f'{out}: {lines} words, of {len(counts)} in the training sentences.{room}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
