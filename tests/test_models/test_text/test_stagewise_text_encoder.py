# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Any Hugging Face encoder: in groups of layers where that is right, else as a whole."""

import pytest
import torch
from transformers import MODEL_MAPPING, AutoConfig

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models import StagewiseTextEncoder

SIZES = dict(
    vocab_size=60,
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=20,
)
DISTILBERT = dict(
    vocab_size=60, dim=16, n_layers=3, n_heads=2, hidden_dim=24, max_position_embeddings=20
)
IN_GROUPS = dict(
    bert=SIZES,
    roberta=SIZES,
    electra=SIZES | dict(embedding_size=8),
    mpnet=SIZES,
    camembert=SIZES,
)
AS_A_WHOLE = {
    'distilbert': DISTILBERT,
    'deberta-v2': SIZES | dict(relative_attention=True, pos_att_type=['p2c', 'c2p']),
    'albert': SIZES | dict(embedding_size=8),
}


def text_of(*lengths: int, padding: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    mask = (torch.arange(7) < torch.tensor(lengths)[:, None]).long()
    return torch.where(mask.bool(), torch.randint(5, 60, mask.shape), padding), mask


def run(encoder: StagewiseTextEncoder, ids, mask) -> list[torch.Tensor]:
    words, additive_mask = encoder.embed(ids), encoder.additive_mask(mask)
    outputs = []
    for index in range(len(encoder.groups)):
        words = encoder.stage(index, words, additive_mask)
        outputs.append(words)
    return outputs


def transformers_model(encoder: StagewiseTextEncoder, model_type: str, sizes: dict):
    """transformers' own model with the encoder's weights."""
    config = AutoConfig.for_model(model_type, **sizes)
    model = MODEL_MAPPING[type(config)](config).eval()
    weights = (encoder if encoder.stagewise else encoder.model).state_dict()
    missing = model.load_state_dict(weights, strict=False).missing_keys
    assert all(key.startswith('pooler.') for key in missing)
    return model


@pytest.mark.parametrize(('model_type', 'sizes'), IN_GROUPS.items(), ids=IN_GROUPS)
def test_groups_in_sequence_equal_transformers(model_type, sizes):
    encoder = StagewiseTextEncoder(model_type, groups=(1, 0, 2), config=sizes).eval()
    assert encoder.stagewise
    assert encoder.channels == 16
    ids, mask = text_of(7, 4, padding=encoder.sizes.pad_token_id)
    with torch.no_grad():
        outputs = run(encoder, ids, mask)
        model = transformers_model(encoder, model_type, sizes)
        expected = model(ids, attention_mask=mask, output_hidden_states=True)
    assert torch.equal(outputs[0], outputs[1])
    real = mask.bool()
    for layer, output in ((1, outputs[0]), (3, outputs[2])):
        torch.testing.assert_close(
            output[real], expected.hidden_states[layer][real], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(('model_type', 'sizes'), AS_A_WHOLE.items(), ids=AS_A_WHOLE)
def test_others_run_before_the_first_fusion(model_type, sizes):
    encoder = StagewiseTextEncoder(model_type, groups=(1, 1, 1, 1), config=sizes).eval()
    assert not encoder.stagewise
    ids, mask = text_of(7, 4, padding=encoder.sizes.pad_token_id)
    with torch.no_grad():
        outputs = run(encoder, ids, mask)
        expected = transformers_model(encoder, model_type, sizes)(ids, attention_mask=mask)
    real = mask.bool()
    torch.testing.assert_close(
        outputs[0][real], expected.last_hidden_state[real], rtol=1e-4, atol=1e-5
    )
    assert torch.equal(outputs[0], outputs[3])
    assert encoder.word_embedding.shape[0] == 60


@pytest.mark.parametrize(('model_type', 'sizes'), IN_GROUPS.items(), ids=IN_GROUPS)
def test_every_parameter_learns(model_type, sizes):
    encoder = StagewiseTextEncoder(model_type, groups=(1, 1, 1), config=sizes)
    ids, mask = text_of(7, 7)
    out = run(encoder, ids, mask)[-1]
    (out * torch.randn_like(out)).sum().backward()
    assert not [name for name, p in encoder.named_parameters() if p.grad is None]


@pytest.mark.parametrize(
    ('model_type', 'config', 'message'),
    [
        ('no-such-type', {}, "no text encoder of type 'no-such-type'"),
        ('vit', {}, "no text encoder of type 'vit'"),
        ('roberta', dict(hiden_size=8), 'RobertaConfig has no hiden_size'),
        ('roberta', SIZES, r'groups \(3, 3, 3, 3\) add up to 12 layers.*num_hidden_layers=3'),
        ('t5', dict(vocab_size=60, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2),
         'T5Model can be run neither layer by layer'),
    ],
    ids=['type', 'image', 'size', 'groups', 'no way'],
)  # fmt: skip
def test_errors(model_type, config, message):
    with pytest.raises(ConfigError, match=message):
        StagewiseTextEncoder(model_type, config=config)


@pytest.mark.parametrize('model_type', ['roberta', 'distilbert'])
def test_pretrained_weights_are_loaded(model_type, tmp_path):
    sizes = (IN_GROUPS | AS_A_WHOLE)[model_type]
    config = AutoConfig.for_model(model_type, **sizes)
    saved = MODEL_MAPPING[type(config)](config)
    saved.save_pretrained(tmp_path)
    encoder = StagewiseTextEncoder(
        model_type, groups=(1, 1, 1), pretrained=str(tmp_path), config=sizes
    )
    encoder.init_weights()
    held = (encoder if encoder.stagewise else encoder.model).state_dict()
    assert len(held) > 40
    for name, value in held.items():
        assert torch.equal(value, saved.state_dict()[name]), name


def test_weights_of_another_architecture(tmp_path):
    config = AutoConfig.for_model('bert', **SIZES)
    MODEL_MAPPING[type(config)](config).save_pretrained(tmp_path)
    encoder = StagewiseTextEncoder(
        'electra', groups=(3, 0, 0), pretrained=str(tmp_path), config=SIZES
    )
    with pytest.raises(CheckpointError, match="model_type is 'bert', not 'electra'"):
        encoder.init_weights()


@pytest.mark.parametrize(
    ('model_type', 'sizes', 'longest'),
    [
        ('bert', SIZES, 20),
        ('roberta', SIZES | dict(pad_token_id=1), 18),
        ('electra', SIZES | dict(embedding_size=8), 20),
        ('distilbert', DISTILBERT, 20),
        ('albert', SIZES | dict(embedding_size=8), 20),
    ],
)
def test_truth_39_a_sentence_beyond_the_positions_says_what_to_change(model_type, sizes, longest):
    groups = (3,) if model_type not in AS_A_WHOLE else (1,)
    encoder = StagewiseTextEncoder(model_type, groups, config=sizes).eval()
    ids = torch.full((2, longest), 5)
    assert encoder(ids, torch.ones_like(ids)).words.isfinite().all()
    ids = torch.full((2, longest + 1), 5)
    with pytest.raises(ConfigError, match=f'max_tokens={longest + 1}, .* max_tokens={longest} or'):
        encoder(ids, torch.ones_like(ids))


@pytest.mark.parametrize(('model_type', 'sizes'), [('bert', SIZES), ('distilbert', DISTILBERT)])
def test_truth_39_ids_of_another_vocabulary(model_type, sizes):
    encoder = StagewiseTextEncoder(model_type, (3,), config=sizes)
    with pytest.raises(ConfigError, match='ids up to 2000, .* has 60.*own tokenizer'):
        encoder.embed(torch.tensor([[1, 2000, 2]]))
