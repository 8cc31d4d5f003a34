# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes' wordings and the vocabulary shipped for them."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer, BertTokenizerFast

from magnet_mm.datasets.tokenizers.vocabulary_files import SHIPPED_VOCABULARIES
from magnet_mm.refshapes.semantics import PLACES, RELATIONS, Description, Expression
from magnet_mm.refshapes.wording import say, vocabulary

VOCABULARY = SHIPPED_VOCABULARIES / 'refshapes'
SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

RED_CIRCLE = Description('large', 'red', 'circle')
EVERY_MEANING = [
    Expression('attribute', RED_CIRCLE),
    Expression('attribute', Description('small', 'white', None)),
    *(Expression('place', Description(colour='red'), place=place) for place in PLACES),
    *(
        Expression('relation', RED_CIRCLE, relation=relation, anchor=RED_CIRCLE)
        for relation in RELATIONS
    ),
]


def wordings(expression: Expression) -> set[str]:
    rng = np.random.default_rng(0)
    return {say(rng, expression) for _ in range(300)}


def test_wordings_of_one_meaning():
    expression = Expression('place', Description(shape='square'), place='left')
    assert wordings(expression) == {
        'left square',
        'square left',
        'the square on the left',
        'square on the left side',
    }
    expression = Expression('attribute', Description(colour='red', shape='square'))
    assert wordings(expression) == {
        'red square',
        'the red square',
        'square in red',
        'the square that is red',
    }


def test_every_meaning_has_several_wordings_and_shares_none():
    said = [wordings(expression) for expression in EVERY_MEANING]
    assert min(len(texts) for texts in said) >= 4
    assert len(set().union(*said)) == sum(len(texts) for texts in said)


def test_vocabulary_file_holds_the_special_tokens_and_every_word():
    lines = (VOCABULARY / 'vocab.txt').read_text(encoding='utf-8').splitlines()
    assert lines == [*SPECIAL, *vocabulary()]


@pytest.mark.parametrize('loader', [BertTokenizerFast, AutoTokenizer])
def test_no_sentence_has_an_unknown_word_or_is_cut(refshapes, loader):
    tokenizer = loader.from_pretrained(str(VOCABULARY))
    assert tokenizer.is_fast
    assert tokenizer.convert_tokens_to_ids(SPECIAL) == [0, 1, 2, 3, 4]
    texts = [sentence['raw'] for ref in refshapes.refs for sentence in ref['sentences']]
    texts += [text for expression in EVERY_MEANING for text in wordings(expression)]
    for text, ids in zip(texts, tokenizer(texts)['input_ids'], strict=True):
        assert ids[0] == 2 and ids[-1] == 3
        assert tokenizer.convert_ids_to_tokens(ids[1:-1]) == text.split()
        assert len(ids) <= 20
    assert tokenizer('Unheard RED')['input_ids'] == [2, 1, ids_of(tokenizer, 'red'), 3]


def ids_of(tokenizer, word: str) -> int:
    return tokenizer.convert_tokens_to_ids(word)
