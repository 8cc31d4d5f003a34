# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""WordPiece ids, truncation, padding, and where vocabularies are found."""

import pickle
import shutil

import numpy as np
import pytest

from magnet_mm.datasets.tokenizers.hugging_face import load_tokenizer
from magnet_mm.datasets.tokenizers.vocabulary_files import SHIPPED_VOCABULARIES
from magnet_mm.datasets.transforms import TokenizeExpression, resolve_tokenizer_path
from magnet_mm.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ('expression', 'ids'),
    [
        ('', [2, 3, 0, 0, 0, 0]),
        ('left ', [2, 8, 3, 0, 0, 0]),
        ('The LEFT Squares', [2, 9, 8, 6, 7, 3]),  # lower case; square + ##s
        ('red giraffe', [2, 5, 1, 3, 0, 0]),
        ('the red left square the', [2, 9, 5, 8, 6, 3]),  # truncated, [SEP] kept
        ('[MASK] réd', [2, 4, 5, 3, 0, 0]),  # accents are stripped, as in bert-base-uncased
    ],
)
def test_ids(vocabulary, expression, ids):
    results = TokenizeExpression(vocabulary, max_tokens=6)(dict(expression=expression))
    assert results['input_ids'].tolist() == ids
    assert results['attention_mask'].tolist() == [int(i != 0) for i in ids]
    assert results['input_ids'].dtype == results['attention_mask'].dtype == np.int64


def test_default_length_is_20(vocabulary):
    results = TokenizeExpression(vocabulary)(dict(expression='red ' * 40))
    assert results['input_ids'].tolist() == [2, *[5] * 18, 3]
    assert results['attention_mask'].sum() == 20


def test_one_tokenizer_per_process_and_none_in_the_pickle(vocabulary):
    first, second = TokenizeExpression(vocabulary), TokenizeExpression(vocabulary)
    first.prepare()
    assert load_tokenizer(second.tokenizer) is load_tokenizer(first.tokenizer)
    assert load_tokenizer(vocabulary).is_fast
    assert len(pickle.dumps(first)) < 1000


@pytest.mark.parametrize('expression', [None, 3, ['left']])
def test_expression_must_be_a_string(vocabulary, expression):
    with pytest.raises(DataError, match=r'ref 8, sentence 81 \(a.jpg\).*not a string'):
        TokenizeExpression(vocabulary)(
            dict(expression=expression, ref_id=8, sent_id=81, img_path='a.jpg')
        )


def test_max_tokens(vocabulary):
    with pytest.raises(ConfigError, match='max_tokens=1'):
        TokenizeExpression(vocabulary, max_tokens=1)


def test_resolving_names(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'bert').mkdir()
    assert resolve_tokenizer_path('~/bert') == str(tmp_path / 'bert')
    assert resolve_tokenizer_path(str(tmp_path)) == str(tmp_path)
    assert resolve_tokenizer_path('bert-base-uncased') == 'bert-base-uncased'
    shipped = resolve_tokenizer_path('magnet_mm://refshapes')
    assert shipped == str(SHIPPED_VOCABULARIES / 'refshapes')
    with pytest.raises(ConfigError, match='Shipped are: .*magnet_mm://refshapes'):
        resolve_tokenizer_path('magnet_mm://none')


def test_shipped_vocabulary():
    results = TokenizeExpression('magnet_mm://refshapes')(dict(expression='the red circle'))
    ids = results['input_ids'].tolist()
    unknown = load_tokenizer('magnet_mm://refshapes').unk_token_id
    assert ids[5:] == [0] * 15 and all(ids[:5]) and unknown not in ids


def test_directory_without_vocabulary(tmp_path):
    with pytest.raises(ConfigError, match='BERT_PATH to a local directory.*network'):
        TokenizeExpression(str(tmp_path)).prepare()


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, which cannot be reached."""
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path / 'hub'))
    load_tokenizer.cache_clear()
    yield tmp_path / 'hub'
    load_tokenizer.cache_clear()


def test_hub_name_without_network(hub_cache):
    with pytest.raises(ConfigError, match='"bert-base-uncased" cannot be loaded') as caught:
        load_tokenizer('bert-base-uncased')
    assert 'BERT_PATH to a local directory' in str(caught.value) and 'network' in str(caught.value)


def test_hub_name_from_the_local_cache(hub_cache, vocabulary):
    repository = hub_cache / 'models--bert-base-uncased'
    (repository / 'refs').mkdir(parents=True)
    (repository / 'refs' / 'main').write_text('0' * 40)
    shutil.copytree(vocabulary, repository / 'snapshots' / ('0' * 40))
    assert load_tokenizer('bert-base-uncased')('Red squares')['input_ids'] == [2, 5, 6, 7, 3]


def test_truth_6_a_long_sentence_is_cut_with_or_without_its_sep(vocabulary):
    """ids: [CLS] 2, [SEP] 3, red 5, square 6, ##s 7, left 8, the 9."""
    long, short = dict(expression='the red squares left'), dict(expression='red')
    kept = TokenizeExpression(vocabulary, max_tokens=5)(dict(long))
    assert kept['input_ids'].tolist() == [2, 9, 5, 6, 3]
    assert kept['special_tokens_mask'].tolist() == [1, 0, 0, 0, 1]
    cut = TokenizeExpression(vocabulary, max_tokens=5, keep_sep=False)(dict(long))
    assert cut['input_ids'].tolist() == [2, 9, 5, 6, 7]
    assert cut['attention_mask'].tolist() == [1] * 5
    assert cut['special_tokens_mask'].tolist() == [1, 0, 0, 0, 0]
    for keep_sep in (True, False):
        found = TokenizeExpression(vocabulary, max_tokens=5, keep_sep=keep_sep)(dict(short))
        assert found['input_ids'].tolist() == [2, 5, 3, 0, 0]
        assert found['special_tokens_mask'].tolist() == [1, 0, 1, 1, 1]
    fits = TokenizeExpression(vocabulary, max_tokens=7, keep_sep=False)(dict(long))
    assert fits['input_ids'].tolist() == [2, 9, 5, 6, 7, 8, 3]
