# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tokenizers of other text encoders than BERT, from a local directory."""

import json

import pytest
import tokenizers

from magnet_mm.datasets.tokenizers import HuggingFaceTokenizer, build_tokenizer
from magnet_mm.datasets.transforms import TokenizeExpression


@pytest.fixture
def roberta(tmp_path):
    """A byte-level BPE vocabulary as RoBERTa's; its padding is 1."""
    letters = [chr(code) for code in range(ord('!'), ord('~') + 1)] + ['Ġ']
    merges = ['r e', 're d', 'Ġ red', 'c a', 'ca r', 'Ġ car']
    tokens = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', *letters]
    tokens += [merge.replace(' ', '') for merge in merges]
    (tmp_path / 'vocab.json').write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (tmp_path / 'merges.txt').write_text('#version: 0.2\n' + '\n'.join(merges))
    (tmp_path / 'config.json').write_text(json.dumps(dict(model_type='roberta')))
    return tmp_path, tokens


def test_roberta(roberta):
    directory, tokens = roberta
    transform = TokenizeExpression(str(directory), max_tokens=8)
    results = transform.transform(dict(expression='red car'))
    words = [tokens[index] for index in results['input_ids']]
    assert words == ['<s>', 'red', 'Ġcar', '</s>', *['<pad>'] * 4]
    assert results['attention_mask'].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_code_of_a_repository_is_never_run(roberta):
    """``auto_map`` names a Python file beside the vocabulary; it must not be imported."""
    directory, _ = roberta
    settings = dict(auto_map=dict(AutoTokenizer=['evil.Tokenizer', None]))
    (directory / 'tokenizer_config.json').write_text(json.dumps(settings))
    (directory / 'evil.py').write_text(f'open({str(directory / "ran")!r}, "w")')
    transform = TokenizeExpression(str(directory), max_tokens=8)
    try:
        transform.transform(dict(expression='red'))
    finally:
        assert not (directory / 'ran').exists()


def test_notes_of_a_roberta(roberta):
    directory, _ = roberta
    tokenizer = HuggingFaceTokenizer(str(directory))
    assert tokenizer.unread('red car red car', 5) == (3, 'car')
    assert tokenizer.unread('red car', 5) == (2, '')
    whole = HuggingFaceTokenizer(str(directory), keep_sep=False)
    assert whole.unread('red car red car', 5) == (4, '')
    assert tokenizer.count('red car') == 4


def test_its_files_make_the_same_tokenizer(roberta, tmp_path):
    directory, _ = roberta
    tokenizer = HuggingFaceTokenizer(str(directory), keep_sep=False, pad_token_id=0)
    folder = tmp_path / 'saved'
    folder.mkdir()
    config = tokenizer.save_files(folder)
    assert config == dict(
        type='HuggingFaceTokenizer', name=str(folder), keep_sep=False, pad_token_id=0
    )
    assert not any(path.suffix == '.py' for path in folder.iterdir())
    saved = build_tokenizer(config)
    for sentence, length in (('red car red', 8), ('red car red car', 3), ('', 3)):
        found = saved.encode(sentence, length)
        for key, value in tokenizer.encode(sentence, length).items():
            assert found[key].tolist() == value.tolist()


def test_added_words_keep_the_ids_of_the_old(tmp_path):
    old = build_tokenizer('magnet_mm://refshapes')
    assert old.unknown('the Orange disc') == ['Orange', 'disc']
    new = build_tokenizer(old.add_words(['Orange', 'disc', 'orange'], tmp_path / 'new'))
    assert new.vocabulary_size == old.vocabulary_size + 2
    assert new.tokens([54, 55]) == ['orange', 'disc']  # lower case, as it reads
    assert new.unknown('the ORANGE disc, discs') == [',', 'discs']  # whole words only
    ids = new.encode('the Orange disc', 8)['input_ids'].tolist()
    known = old.encode('the', 8)['input_ids'].tolist()
    assert ids == [known[0], known[1], 54, 55, known[2], 0, 0, 0]
    new.save(tmp_path / 'tokenizer.json', 8)
    exported = tokenizers.Tokenizer.from_file(str(tmp_path / 'tokenizer.json'))
    assert exported.encode('the Orange disc').ids == ids
    assert old.encode('orange', 3)['input_ids'].tolist()[1] == old.unknown_token_id  # unchanged
