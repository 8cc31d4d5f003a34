# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Parses every sentence of a config's data set with spaCy, for LSCM (docs/methods/lscm.md).

python tools/dataset_tools/parse_expressions.py configs/lscm_r101_refcoco.py trees.jsonl
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

import magnet_mm  # noqa: F401  (registers the components)
from magnet_mm.data_tools.vocabulary import sentences_of
from magnet_mm.datasets.tokenizers.trees import Tree, parser, pieces_of
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.json_lines import write_lines


def parsed(cfg: Config, parse: Callable[[str], Tree]) -> Iterator[dict]:
    """Yield one line per different sentence, of training and of all splits that can be tested."""
    tested = cfg.test_dataloader.dataset
    datasets = [cfg.train_dataloader.dataset]
    datasets += [dict(tested, split=split) for split in cfg.test_splits if '_' not in split]
    seen = {''}
    for dataset in datasets:
        for sentence in sentences_of(dataset):
            pieces = pieces_of(sentence)
            if pieces not in seen:
                seen.add(pieces)
                tree = parse(pieces)
                yield dict(expression=pieces, words=tree.words, heads=tree.heads)


def main(argv: list[str] | None = None) -> int:
    """Parse and report."""
    parser_ = argparse.ArgumentParser(description='Parse the sentences of a data set.')
    parser_.add_argument('config', help='config whose data set is parsed')
    parser_.add_argument('out', type=Path, help='JSON-lines file to write')
    args = parser_.parse_args(argv)
    try:
        cfg = Config.fromfile(args.config)
        init_default_scope('mmseg')
        count = write_lines(args.out, parsed(cfg, parser('spacy')))
    except (ConfigError, DataError) as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    print(f'{args.out}: {count} sentences')
    return 0


if __name__ == '__main__':
    sys.exit(main())
