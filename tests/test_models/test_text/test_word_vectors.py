# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Embeddings of words: rows from a file, zeros, and what fits not."""

import pytest
import torch

from magnet_mm.errors import CheckpointError
from magnet_mm.models.text.word_vectors import WordVectors


@pytest.fixture
def files(tmp_path):
    words, vectors = tmp_path / 'words.txt', tmp_path / 'vectors.txt'
    words.write_text('<pad>\n<unk>\nred\nhat\n')
    vectors.write_text('hat 1 2 3\nthe 9 9 9\nred -1 0 0.5\n')
    return dict(vocabulary=str(words), vectors=str(vectors))


def test_rows_from_a_file(files):
    embedding = WordVectors(6, 3, **files)
    before = embedding.weight.detach().clone()
    embedding.init_weights()
    assert embedding.weight[2:4].tolist() == [[-1, 0, 0.5], [1, 2, 3]]
    for row in (0, 1, 4, 5):
        assert torch.equal(embedding.weight[row], before[row])
    assert torch.equal(embedding(torch.tensor([[3, 0]]))[0, 0], torch.tensor([1.0, 2, 3]))


def test_zeros_give_no_gradient():
    embedding = WordVectors(4, 3, zero_ids=(0, 1))
    words = embedding(torch.tensor([[0, 1, 2]]))
    words.sum().backward()
    assert torch.equal(words[0, 2], embedding.weight[2]) and words[0, :2].abs().sum() == 0
    assert embedding.weight.grad.tolist() == [[0] * 3, [0] * 3, [1] * 3, [0] * 3]
    assert list(embedding.state_dict()) == ['weight']


def test_random_without_a_file():
    embedding = WordVectors(3000, 30, vectors='random', trainable=False)
    embedding.init_weights()
    assert embedding.weight.std().item() == pytest.approx(0.6, rel=0.02)
    assert not embedding.weight.requires_grad


@pytest.mark.parametrize(
    ('text', 'message'),
    [('red 1 2\n', 'have 2 numbers'), ('the 1 2 3\n', 'none of the words'),
     ('red a b c\n', 'cannot be read'), (None, 'cannot be read')],
)  # fmt: skip
def test_files_that_do_not_fit(files, tmp_path, text, message):
    if text is None:
        files['vectors'] = str(tmp_path / 'nowhere.txt')
    else:
        (tmp_path / 'vectors.txt').write_text(text)
    with pytest.raises(CheckpointError, match=message):
        WordVectors(4, 3, **files).init_weights()
