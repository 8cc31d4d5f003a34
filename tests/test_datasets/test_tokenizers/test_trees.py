# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Words with the tree of their sentence, from a file and from a parser."""

import json
import sys

import numpy as np
import pytest

from magnet_mm.datasets.tokenizers import TreeTokenizer, build_tokenizer
from magnet_mm.datasets.tokenizers import trees as module
from magnet_mm.errors import ConfigError, DataError


@pytest.fixture
def trees(tmp_path) -> str:
    path = tmp_path / 'trees.jsonl'
    line = dict(expression="man ' s red hat", words=['man', "'s", 'red', 'hat'], heads=[3, 0, 3, 3])
    path.write_text(json.dumps(line) + '\n')
    return str(path)


def test_graph_stands_where_the_words_stand(words, trees):
    tokenizer = TreeTokenizer(words, trees)
    found = tokenizer.encode("Man's red hat.", 6)
    assert found['input_ids'].tolist() == [0, 0, 4, 3, 7, 8]  # 's is not in the vocabulary
    expected = np.zeros((6, 6))
    expected[2:, 2:] = [[0.1, 1, 0.1, 1], [1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 1], [1, 0.1, 1, 0.1]]
    np.testing.assert_allclose(found['text_graph'], expected, rtol=1e-6)
    assert found['text_graph'].dtype == np.float32
    cut = tokenizer.encode("Man's red hat.", 3)
    np.testing.assert_allclose(cut['text_graph'], expected[2:5, 2:5], rtol=1e-6)
    assert tokenizer.unknown("Man's red hat.") == ["'s"]
    assert tokenizer.encode('', 3)['text_graph'].sum() == 0


def test_its_files_make_the_same_tokenizer(words, trees, tmp_path):
    tokenizer, folder = TreeTokenizer(words, trees), tmp_path / 'saved'
    folder.mkdir()
    config = tokenizer.save_files(folder)
    assert config == dict(
        type='TreeTokenizer', vocabulary=str(folder / 'words.txt'), padding='front',
        trees=str(folder / 'trees.jsonl'),
    )  # fmt: skip
    found = build_tokenizer(config).encode("Man's red hat.", 6)
    for key, value in tokenizer.encode("Man's red hat.", 6).items():
        np.testing.assert_array_equal(found[key], value)


def test_a_sentence_that_is_not_in_the_file(words, trees):
    with pytest.raises(DataError, match='has no tree of "red hat"'):
        TreeTokenizer(words, trees).encode('red hat', 6)


@pytest.mark.parametrize('line', ['{}', '{"expression": "a", "words": ["a"], "heads": [1]}'])
def test_a_line_that_is_no_tree(words, tmp_path, line):
    path = tmp_path / 'bad.jsonl'
    path.write_text(line + '\n')
    with pytest.raises(DataError, match='line 1 is no tree'):
        TreeTokenizer(words, str(path))


def test_without_spacy(words, monkeypatch):
    monkeypatch.setitem(sys.modules, 'spacy', None)
    module.load_spacy.cache_clear()
    with pytest.raises(ConfigError, match='pip install spacy\n.*download en_core_web_sm'):
        TreeTokenizer(words)


def test_with_a_parser(words, monkeypatch):
    """spaCy's interface: tokens with ``text`` and ``head.i``."""

    class Token:
        def __init__(self, text, index):
            self.text, self.i = text, index

    def parse(text):
        tokens = [Token(word, index) for index, word in enumerate(text.split())]
        for token in tokens:
            token.head = tokens[-1]
        return tokens

    monkeypatch.setattr(module, 'load_spacy', lambda: parse)
    found = TreeTokenizer(words, 'spacy').encode('red hat', 2)['text_graph']
    np.testing.assert_allclose(found, [[0.1, 1], [1, 0.1]], rtol=1e-6)
    long = ' '.join(['red'] * 25)
    assert TreeTokenizer(words, 'spacy').count(long) == 20  # what is parsed
