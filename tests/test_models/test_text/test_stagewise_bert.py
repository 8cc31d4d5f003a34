# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""StagewiseBert against Hugging Face's BertModel; everything offline."""

import socket

import pytest
import torch
from transformers import BertConfig, BertModel

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models import StagewiseBert

SIZES = dict(
    vocab_size=50,
    hidden_size=32,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=16,
)


@pytest.fixture
def no_network(monkeypatch):
    """Any socket raises; the hub is told to stay offline."""

    def refuse(*args, **kwargs):
        raise AssertionError('a socket was opened')

    monkeypatch.setattr(socket, 'socket', refuse)
    monkeypatch.setattr(socket, 'create_connection', refuse)


def text_of(*lengths: int, tokens: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 50, (len(lengths), tokens))
    mask = (torch.arange(tokens) < torch.tensor(lengths)[:, None]).long()
    return ids * mask, mask


def run(model: StagewiseBert, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    words, additive_mask = model.embed(ids), model.additive_mask(mask)
    outputs = []
    for index in range(len(model.groups)):
        words = model.stage(index, words, additive_mask)
        outputs.append(words)
    return outputs


@pytest.mark.parametrize(
    'groups', [(1, 1, 1, 1), (2, 0, 2, 0), (0, 3, 1, 0), (4, 0, 0, 0)], ids=str
)
def test_stages_in_sequence_equal_hugging_face(groups):
    ours = StagewiseBert(groups=groups, config=SIZES).eval()
    theirs = BertModel(BertConfig(**SIZES), add_pooling_layer=False).eval()
    theirs.load_state_dict(ours.state_dict())
    ids, mask = text_of(9, 5, 2)
    with torch.no_grad():
        outputs = run(ours, ids, mask)
        expected = theirs(ids, attention_mask=mask, output_hidden_states=True)
    torch.testing.assert_close(outputs[-1], expected.last_hidden_state, rtol=1e-5, atol=1e-5)
    done = 0
    for size, output in zip(groups, outputs, strict=True):
        done += size
        torch.testing.assert_close(output, expected.hidden_states[done], rtol=1e-5, atol=1e-5)


def test_padding_does_not_reach_the_words():
    model = StagewiseBert(groups=(2, 2), config=SIZES).eval()
    ids, mask = text_of(9, 5)
    changed = ids.clone()
    changed[1, 5:] = 7
    with torch.no_grad():
        before, after = run(model, ids, mask)[-1], run(model, changed, mask)[-1]
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1, :5], after[1, :5])
    assert not torch.equal(before[1, 5:], after[1, 5:])


def test_groups_without_layers_pass_the_words_on():
    model = StagewiseBert(groups=(4, 0, 0, 0), config=SIZES).eval()
    outputs = run(model, *text_of(9, 5))
    assert all(torch.equal(outputs[0], output) for output in outputs[1:])


def test_additive_mask():
    model = StagewiseBert(groups=(4,), config=SIZES)
    mask = model.additive_mask(torch.tensor([[1, 1, 0]]))
    assert mask.shape == (1, 1, 1, 3)
    assert mask.flatten().tolist() == [0.0, 0.0, -10000.0]


@pytest.mark.parametrize('groups', [(3, 3, 3, 3), (1, 1, 1), (4, 1)], ids=str)
def test_groups_must_add_up(groups):
    with pytest.raises(ConfigError, match=rf'add up to {sum(groups)}.*num_hidden_layers=4'):
        StagewiseBert(groups=groups, config=SIZES)


def test_defaults_are_bert_base_and_need_no_network(no_network):
    with torch.device('meta'):  # sizes only: no 110 million numbers are drawn
        model = StagewiseBert(pretrained='no-such-name')
    assert model.groups == (3, 3, 3, 3)
    assert model.channels == 768
    assert model.word_embedding.shape == (30522, 768)
    assert model.sizes.num_attention_heads == 12
    assert model.sizes.intermediate_size == 3072


def test_init_weights_loads_a_local_directory(tmp_path, no_network):
    torch.manual_seed(3)
    saved = BertModel(BertConfig(**SIZES))  # with a pooler, as published checkpoints have
    saved.save_pretrained(tmp_path)
    model = StagewiseBert(groups=(4,), pretrained=str(tmp_path), config=SIZES)
    expected = saved.state_dict()
    assert not torch.equal(model.word_embedding, expected['embeddings.word_embeddings.weight'])
    model.init_weights()
    weights = model.state_dict()
    assert set(expected) - set(weights) == {'pooler.dense.weight', 'pooler.dense.bias'}
    for name, tensor in weights.items():
        assert torch.equal(tensor, expected[name]), name


def test_without_pretrained_weights_nothing_is_loaded(no_network):
    model = StagewiseBert(groups=(4,), config=SIZES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.init_weights()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_frozen_submodules():
    frozen = ('embeddings', 'encoder.layer.3')
    model = StagewiseBert(groups=(4,), config=SIZES, frozen=frozen)
    kept = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert kept == {
        name for name, _ in model.named_parameters() if name.startswith(('embeddings.', *frozen))
    }
    assert 'encoder.layer.2.output.dense.weight' not in kept
    with pytest.raises(ConfigError, match=r"cannot freeze 'encoder\.layer\.9'"):
        StagewiseBert(groups=(4,), config=SIZES, frozen=('encoder.layer.9',))


@pytest.mark.parametrize('content', ['missing', 'empty', 'config only'])
def test_missing_weights(tmp_path, content, no_network):
    path = tmp_path / 'bert'
    if content != 'missing':
        path.mkdir()
    if content == 'config only':
        BertConfig(**SIZES).save_pretrained(path)
    model = StagewiseBert(groups=(4,), pretrained=str(path), config=SIZES)
    with pytest.raises(CheckpointError, match='BERT_PATH') as error:
        model.init_weights()
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    'change', [dict(hidden_size=64), dict(num_hidden_layers=3), dict(vocab_size=40)], ids=str
)
def test_weights_of_other_sizes(tmp_path, change, no_network):
    BertModel(BertConfig(**(SIZES | change))).save_pretrained(tmp_path)
    model = StagewiseBert(groups=(4,), pretrained=str(tmp_path), config=SIZES)
    with pytest.raises(CheckpointError, match='do not fit') as error:
        model.init_weights()
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (dict(num_attention_heads=2), 'num_attention_heads is 2, not 4'),
        (dict(hidden_act='relu'), "hidden_act is 'relu', not 'gelu'"),
    ],
    ids=str,
)
def test_weights_of_another_model(tmp_path, change, named, no_network):
    BertModel(BertConfig(**(SIZES | change))).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=named):
        StagewiseBert(groups=(4,), pretrained=str(tmp_path), config=SIZES).init_weights()


def test_incomplete_and_damaged_weights(tmp_path, no_network):
    bert = BertModel(BertConfig(**SIZES))
    weights = {key: value for key, value in bert.state_dict().items() if 'layer.3.' not in key}
    bert.save_pretrained(tmp_path, state_dict=weights)
    model = StagewiseBert(groups=(4,), pretrained=str(tmp_path), config=SIZES)
    with pytest.raises(CheckpointError, match=r'lack 16 tensors: .*encoder\.layer\.3\.'):
        model.init_weights()
    (tmp_path / 'model.safetensors').write_bytes(b'damaged')
    with pytest.raises(CheckpointError, match='cannot be read; download them again'):
        model.init_weights()


def test_only_the_first_layers_are_pretrained(tmp_path):
    """CrossVLT: embeddings and six of twelve layers; what stands behind them starts fresh."""
    sizes = dict(vocab_size=30, hidden_size=8, num_attention_heads=2, intermediate_size=8)
    torch.manual_seed(3)
    source = BertModel(BertConfig(**sizes, num_hidden_layers=4), add_pooling_layer=False)
    source.save_pretrained(tmp_path)
    ours = StagewiseBert(
        (2, 1, 0),
        pretrained=str(tmp_path),
        pretrained_layers=2,
        config=dict(sizes, num_hidden_layers=3),
    )
    fresh = {key: value.clone() for key, value in ours.state_dict().items()}
    ours.init_weights()
    for key, value in ours.state_dict().items():
        expected = fresh if key.startswith('encoder.layer.2') else source.state_dict()
        assert torch.equal(value, expected[key]), key
