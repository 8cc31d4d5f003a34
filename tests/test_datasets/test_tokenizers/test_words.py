# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Plain words: splitting rules, padding on either side, unknown words, empty sentences."""

import json

import numpy as np
import pytest

from magnet_mm.datasets.tokenizers import WordTokenizer, build_tokenizer
from magnet_mm.datasets.tokenizers.splitting import RULES
from magnet_mm.datasets.transforms import TokenizeExpression
from magnet_mm.errors import ConfigError
from magnet_mm.refshapes.wording import vocabulary as refshapes_words


@pytest.mark.parametrize(
    ('rule', 'sentence', 'expected'),
    [
        ('vlt', " Man's  red hat. ", ["Man's", 'red', 'hat.']),
        ('cmpc', " Man's  red, old hat. ", ['man', "'", 's', 'red', ',', 'old', 'hat']),
        ('cmpc', 'hat..', ['hat', '..']),  # not the one full stop at the end
        ('cmpc', '.', []),
        ('efn', 'Größe 2', ['größe', '2']),
        ('vlt', '', []),
        ('cmpc', '  ', []),
    ],
)
def test_splitting(rule, sentence, expected):
    assert RULES[rule](sentence) == expected


@pytest.mark.parametrize(
    ('padding', 'ids', 'mask'),
    [
        ('front', [0, 0, 4, 5, 6, 3], [0, 0, 1, 1, 1, 1]),
        ('end', [4, 5, 6, 3, 0, 0], [1, 1, 1, 1, 0, 0]),
    ],
)
def test_ids(words, padding, ids, mask):
    settings = dict(type='WordTokenizer', vocabulary=words, rule='cmpc', padding=padding)
    found = TokenizeExpression(settings, max_tokens=6)(dict(expression="Man's scarf."))
    assert found['input_ids'].tolist() == ids
    assert found['attention_mask'].tolist() == mask
    assert found['special_tokens_mask'].tolist() == [1 - one for one in mask]
    assert {found[key].dtype for key in ('input_ids', 'attention_mask')} == {np.dtype('int64')}


@pytest.mark.parametrize('padding', ['front', 'end'])
def test_long_and_empty_sentences(words, padding):
    tokenizer = WordTokenizer(words, padding=padding)
    found = tokenizer.encode('red hat red man red hat', 3)
    assert found['input_ids'].tolist() == [7, 8, 7]  # the first words, whatever the padding
    assert tokenizer.unread('red hat red man, red hat', 3) == (3, 'man , red hat')
    assert tokenizer.unread('red', 3) == (1, '')
    empty = tokenizer.encode('', 3)
    assert [empty[key].tolist() for key in ('input_ids', 'attention_mask')] == [[0] * 3] * 2
    assert empty['special_tokens_mask'].tolist() == [1] * 3


def test_what_is_not_in_the_vocabulary(words):
    tokenizer = WordTokenizer(words)
    assert tokenizer.unknown('scarf red, scarf') == ['scarf', ',']
    assert tokenizer.count('scarf red, scarf') == 4
    assert tokenizer.tokens([7, 3]) == ['red', '<unk>']
    assert (tokenizer.vocabulary_size, tokenizer.pad_token_id) == (9, 0)


def test_file_for_other_programs(words, tmp_path):
    WordTokenizer(words, padding='front').save(tmp_path / 'tokenizer.json', 20)
    about = json.loads((tmp_path / 'tokenizer.json').read_text())
    assert about['vocabulary'][4] == 'man'
    assert (about['rule'], about['padding'], about['max_tokens']) == ('cmpc', 'front', 20)


def test_shipped_words():
    tokenizer = build_tokenizer(dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes'))
    assert tokenizer.vocabulary == ('<pad>', '<go>', '<eos>', '<unk>', *refshapes_words())
    for rule in RULES.values():
        assert rule('the red circle in the corner') == 'the red circle in the corner'.split()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(type='WordTokenizer', vocabulary='nowhere.txt'), r'build_vocabulary\.py CONFIG'),
        (dict(type='WordTokenizer', rule='other'), 'one of vlt, cmpc, efn'),
        (dict(type='WordTokenizer', padding='both'), "'front' or 'end'"),
        (dict(type='WordTokenizer', pading='front'), 'pading'),
        (dict(type='Wordtokenizer'), 'there are .*WordTokenizer'),
    ],
)
def test_errors(words, settings, message):
    with pytest.raises(ConfigError, match=message):
        build_tokenizer(dict(vocabulary=words) | settings)


@pytest.mark.parametrize(
    ('text', 'message'),
    [('red\nhat\n', 'does not start with <pad>'), ('<pad>\n<unk>\nred\nred\n', "'red' twice")],
)
def test_files_that_are_no_vocabulary(tmp_path, text, message):
    (tmp_path / 'v.txt').write_text(text)
    with pytest.raises(ConfigError, match=message):
        WordTokenizer(str(tmp_path / 'v.txt'))


def test_added_words_keep_the_ids_of_the_old(tmp_path):
    settings = dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes', padding='front')
    old = build_tokenizer(settings)
    name = old.add_words(['orange', 'disc', 'red'], tmp_path / 'new')
    assert name == str(tmp_path / 'new' / 'words.txt')
    new = build_tokenizer(dict(settings, vocabulary=name))
    assert new.vocabulary == (*old.vocabulary, 'orange', 'disc')  # red was there
    assert new.encode('red orange disc', 4)['input_ids'].tolist() == [
        0, old.encode('red', 1)['input_ids'][0], old.vocabulary_size, old.vocabulary_size + 1
    ]  # fmt: skip
