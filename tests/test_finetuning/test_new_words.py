# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""New words are counted; old rows stay, new ones are a fresh encoder's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from magnet_mm.datasets.tokenizers import build_tokenizer
from magnet_mm.errors import ConfigError
from magnet_mm.finetuning.new_words import (
    describe,
    grow_rows,
    grow_vocabulary,
    tokenizer_step,
    unknown_words,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SENTENCES = ['the orange disc', 'orange, teal one', 'Orange']


def test_words_are_counted():
    tokenizer = build_tokenizer(dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes'))
    words = unknown_words(tokenizer, SENTENCES)
    assert words == Counter(orange=3, disc=1, teal=1)  # the rule lower-cases; "," is no word
    told = describe(words, 3)
    assert told == '3 words are new to the model: orange (3), disc (1), teal (1)'
    assert describe(Counter(), 3) == 'Every word of the 3 sentences is known.'
    assert describe(Counter('abcdefghij'), 3).endswith('h (1) ...')


def test_pipelines_without_words():
    with pytest.raises(ConfigError, match='no TokenizeExpression'):
        tokenizer_step([dict(type='Resize')])


@pytest.mark.parametrize('name', ['magnet', 'cmpc', 'vlt', 'efn'])
def test_a_vocabulary_grows(name, tmp_path):
    cfg = Config.fromfile(CONFIGS / f'{name}_tiny_refshapes.py')
    torch.manual_seed(0)
    old = MODELS.build(cfg.model)
    step = tokenizer_step(cfg.train_dataloader.dataset.pipeline)
    tokenizer = build_tokenizer(step['tokenizer'])
    new = grow_vocabulary(cfg, step, ['teal', 'disc', 'orange'], tmp_path / 'words')
    assert {**new, 'tokenizer': step['tokenizer']} == step
    grown = build_tokenizer(new['tokenizer'])
    known = tokenizer.vocabulary_size
    assert grown.vocabulary_size == known + 3
    assert grown.tokens([known, known + 1, known + 2]) == ['disc', 'orange', 'teal']
    model = MODELS.build(cfg.model)
    fresh = model.backbone.text.word_embedding.clone()
    state = grow_rows(old.state_dict(), model.state_dict(), known)
    model.load_state_dict(state)  # every key, every shape
    rows = model.backbone.text.word_embedding
    assert rows.shape[0] >= known + 3
    assert torch.equal(rows[:known], old.backbone.text.word_embedding[:known])
    if len(old.backbone.text.word_embedding) == known:  # no rows to spare
        assert torch.equal(rows[known:], fresh[known:])
    ids = torch.from_numpy(tokenizer.encode('the red circle', 8)['input_ids'])[None]
    mask = torch.from_numpy(tokenizer.encode('the red circle', 8)['attention_mask'])[None]
    outputs = [
        encoder.eval().backbone.text(input_ids=ids, attention_mask=mask).words
        for encoder in (old, model)
    ]
    assert torch.equal(*outputs)  # known sentences are read as before


def test_vocabulary_files_of_the_text_encoder_follow(tmp_path):
    cfg = Config.fromfile(CONFIGS / 'cmpc_tiny_refshapes.py')
    cfg.model.backbone.text.vocabulary = 'magnet_mm://refshapes'
    step = tokenizer_step(cfg.train_dataloader.dataset.pipeline)
    grow_vocabulary(cfg, step, ['teal'], tmp_path)
    assert cfg.model.backbone.text.vocabulary == str(tmp_path / 'words.txt')
    assert cfg.model.backbone.text.vocabulary_size == 54


def test_rows_of_the_same_number_stay():
    old = dict(a=torch.zeros(3, 2), b=torch.zeros(2), c=torch.zeros(2, 2))
    fresh = dict(a=torch.ones(3, 2), b=torch.ones(3), c=torch.ones(3, 3))
    grown = grow_rows(old, fresh, known=1)
    assert grown['a'] is old['a'] and grown['c'] is old['c']  # others are not made to fit
    assert grown['b'].tolist() == [0, 1, 1]
