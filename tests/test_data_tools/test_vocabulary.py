# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""tools/dataset_tools/build_vocabulary.py: the words of the training sentences."""

from pathlib import Path

import pytest
from mmengine.config import Config
from refcoco_root import write_data  # noqa: F401

from magnet_mm.data_tools.vocabulary import count_words, write_vocabulary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def build(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'dataset_tools'))
    import build_vocabulary

    return build_vocabulary.main


def config_file(tmp_path, dataset: dict, tokenizer, rows: int | None = None) -> str:
    pipeline = [dict(type='TokenizeExpression', tokenizer=tokenizer)]
    text = dict() if rows is None else dict(vocabulary_size=rows)
    Config(
        dict(
            model=dict(backbone=dict(text=text)),
            train_dataloader=dict(
                dataset=dict(type='ReferringDataset', split='train', pipeline=pipeline, **dataset)
            ),
        )
    ).dump(tmp_path / 'config.py')
    return str(tmp_path / 'config.py')


def test_words_of_the_training_sentences(build, write_data, tmp_path, capsys):  # noqa: F811
    out = tmp_path / 'made' / 'words.txt'
    tokenizer = dict(type='WordTokenizer', vocabulary=str(out), rule='cmpc')
    assert build([config_file(tmp_path, write_data(), tokenizer)]) == 0
    lines = out.read_text(encoding='utf-8').splitlines()
    # square stands in 3 sentences of the training split, left in 2
    assert lines[:6] == ['<pad>', '<go>', '<eos>', '<unk>', 'square', 'left']
    assert {'größere', ',', 'corner', '右'} <= set(lines)
    assert not {'Red', 'lower', 'box'} & set(lines)  # lower case; val is not read
    assert f'{len(lines)} words, of {len(lines) - 4} in the training sentences' in (
        capsys.readouterr().out
    )


def test_the_rows_of_the_text_encoder_limit_it(build, write_data, tmp_path, capsys):  # noqa: F811
    out = tmp_path / 'words.txt'
    config = config_file(tmp_path, write_data(), dict(type='WordTokenizer', vocabulary='x'), 6)
    assert build([config, '--out', str(out)]) == 0
    assert out.read_text().splitlines()[4:] == ['square', 'left']
    assert 'has 6 rows' in capsys.readouterr().out


def test_a_config_without_words(build, write_data, tmp_path, capsys):  # noqa: F811
    assert build([config_file(tmp_path, write_data(), 'bert-base-uncased')]) == 1
    assert 'has no tokenizer of words' in capsys.readouterr().err


def test_counting_and_writing(tmp_path):
    counts = count_words(['b a', 'a <unk>'], str.split)
    assert counts == dict(a=2, b=1) | {'<unk>': 1}
    assert write_vocabulary(tmp_path / 'v.txt', counts) == 6
    assert (tmp_path / 'v.txt').read_text() == '<pad>\n<go>\n<eos>\n<unk>\na\nb\n'
