# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Words with the tree of their sentence (LSCM): parsed by spaCy, or read from a file."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from magnet_mm.datasets.tokenizers.interface import TOKENIZERS
from magnet_mm.datasets.tokenizers.splitting import split_at_separators
from magnet_mm.datasets.tokenizers.words import WordTokenizer
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.json_lines import parse_object, read_lines
from magnet_mm.text_safety import printable

PIECES = 20  # what is parsed of a sentence [C]
OTHER_WORDS = 0.1  # weight of two words that the tree does not join [C]
SPACY = 'spacy'  # in place of a file of trees
SPACY_MODEL = 'en_core_web_sm'  # [C]


class Tree(NamedTuple):
    """A parsed sentence.

    Attributes:
        words: its tokens.
        heads: for each the place of its head; a root is its own head.
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]


def pieces_of(expression: str) -> str:
    """Return what is parsed: the first 20 pieces of CMPC's rule, joined by blanks [C]."""
    return ' '.join(split_at_separators(expression)[:PIECES])


@TOKENIZERS.register_module()
class TreeTokenizer(WordTokenizer):
    """:class:`WordTokenizer` whose words are a parser's tokens, with the weights of their tree.

    `encode` adds `text_graph`, float32 `[max_tokens, max_tokens]`, at the places of the words: 1
    for a head and its child in both directions, 0.1 for any other two words and on the diagonal,
    0 at padding [C].

    Args:
        vocabulary (str): See :class:`WordTokenizer`.
        trees (str): `spacy`, or a file of tools/dataset_tools/parse_expressions.py.
        padding (str): `front` (LSCM) or `end`.

    Raises:
        ConfigError: spaCy or its model is not installed, or see :class:`WordTokenizer`.
        DataError: The file cannot be read; on use, a sentence is not in it.
    """

    def __init__(self, vocabulary: str, trees: str = SPACY, padding: str = 'front') -> None:
        super().__init__(vocabulary, 'cmpc', padding)
        self.trees = trees
        self._parse = parser(trees)

    @classmethod
    def splitter(cls, settings: Mapping) -> Callable[[str], Sequence[str]]:
        """Return how these settings split a sentence; the vocabulary need not be there."""
        parse = parser(settings.get('trees', SPACY))
        return lambda expression: parse(pieces_of(expression)).words

    def split(self, expression: str) -> list[str]:
        """Return the parser's tokens."""
        return list(self._parse(pieces_of(expression)).words)

    def encode(self, expression: str, max_tokens: int) -> dict[str, np.ndarray]:
        """Encode the words, and add `text_graph`."""
        tree = self._parse(pieces_of(expression))
        encoded = self.encode_words(tree.words, max_tokens)
        place = self.place(tree.words, max_tokens)
        fields = self.text_fields(max_tokens)
        weights = tree_weights(tree.heads)[:max_tokens, :max_tokens]
        fields['text_graph'][place, place] = weights
        return dict(encoded, **fields)

    @classmethod
    def text_fields(cls, max_tokens: int) -> dict[str, np.ndarray]:
        """Return the `text_graph` of a sentence without words: zeros."""
        return dict(text_graph=np.zeros((max_tokens, max_tokens), dtype=np.float32))

    def save_files(self, folder: str | os.PathLike) -> dict[str, Any]:
        """Write `words.txt`, and `trees.jsonl` where the trees are read from a file."""
        files = super().save_files(folder)
        del files['rule']  # always CMPC's
        trees = self.trees
        if trees != SPACY:
            trees = shutil.copy(Path(trees).expanduser(), Path(folder) / 'trees.jsonl')
        return dict(files, trees=str(trees))


def tree_weights(heads: Sequence[int]) -> np.ndarray:
    """Weights float32 `[n, n]` of a tree."""
    weights = np.full((len(heads), len(heads)), OTHER_WORDS, dtype=np.float32)
    for child, head in enumerate(heads):
        if child != head:
            weights[child, head] = weights[head, child] = 1
    return weights


def parser(trees: str) -> Callable[[str], Tree]:
    """Return what parses: spaCy, or the look-up in a file.

    Raises:
        ConfigError: spaCy or its model is not installed.
        DataError: The file cannot be read.
    """
    if trees == SPACY:
        return _with_spacy(load_spacy())
    known = read_trees(trees)

    def look_up(pieces: str) -> Tree:
        if not pieces:
            return Tree((), ())
        if pieces not in known:
            raise DataError(
                f'{trees} has no tree of "{printable(pieces, 80)}". Parse the sentences of this '
                'data set too (tools/dataset_tools/parse_expressions.py), or set trees="spacy".'
            )
        return known[pieces]

    return look_up


def read_trees(path: str | os.PathLike) -> dict[str, Tree]:
    """Read JSON lines `{"expression": pieces, "words": [...], "heads": [...]}`.

    Raises:
        DataError: The file cannot be read, or a line is no tree.
    """
    path = Path(path).expanduser()
    advice = 'Write it with tools/dataset_tools/parse_expressions.py, or set trees="spacy".'
    found = {}
    for number, text in read_lines(path, advice):
        entry = parse_object(text, f'{path}, line {number}')
        try:
            tree = Tree(tuple(entry['words']), tuple(entry['heads']))
            found[entry['expression']] = tree
            fits = len(tree.words) == len(tree.heads)
            fits = fits and all(0 <= head < len(tree.heads) for head in tree.heads)
        except (KeyError, TypeError):
            fits = False
        if not fits:
            raise DataError(
                f'{path}, line {number} is no tree: it needs expression, words, and for every '
                'word its head as a number of a word.'
            )
    return found


@functools.cache
def load_spacy() -> Callable:
    """Load spaCy's parser once per process."""
    try:
        import spacy

        return spacy.load(SPACY_MODEL)
    except (ImportError, OSError) as error:
        raise ConfigError(
            f'LSCM parses sentences with spaCy, which is not usable here ({error}). Install it:\n'
            f'  pip install spacy\n  python -m spacy download {SPACY_MODEL}\n'
            'or name a file of parsed sentences (docs/methods/lscm.md).'
        ) from error


def _with_spacy(parse: Callable) -> Callable[[str], Tree]:
    @functools.lru_cache(maxsize=2**16)
    def tree_of(pieces: str) -> Tree:
        tokens = parse(pieces)
        return Tree(tuple(token.text for token in tokens), tuple(token.head.i for token in tokens))

    return tree_of
