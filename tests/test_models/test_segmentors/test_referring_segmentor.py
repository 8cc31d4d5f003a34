# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The segmentor: prediction, derived sizes, losses, and what training parts cost."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models import OneQueryMask2FormerHead
from magnet_mm.models.targets import stack_text

MASK_TOKEN = 4


@MODELS.register_module(force=True)
class HeadWithoutPixelEmbedding(OneQueryMask2FormerHead):
    """A decode head that has no stride-4 embedding to lend."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        del self.pixel_channels


@pytest.fixture
def model(build_model, tiny_magnet_config):
    """Tiny MagNet with open text gates, in eval mode."""
    segmentor = build_model(tiny_magnet_config())
    for fusion in segmentor.backbone.fusion:
        torch.nn.init.normal_(fusion.text_gate.out.weight, std=0.2)
    return segmentor.eval()


def names_run(model: torch.nn.Module, call) -> set[str]:
    """Names of the modules whose forward runs during ``call()``."""
    ran = set()
    handles = [
        module.register_forward_hook(lambda *_, name=name: ran.add(name))
        for name, module in model.named_modules()
    ]
    call()
    for handle in handles:
        handle.remove()
    return ran


def ids_read(model: torch.nn.Module, call) -> torch.Tensor:
    """Token ids that the text encoder embeds during ``call()``."""
    seen = []
    handle = model.backbone.text.embeddings.word_embeddings.register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0])
    )
    call()
    handle.remove()
    assert len(seen) == 1
    return seen[0]


# ---- prediction ---------------------------------------------------------------------------


@pytest.mark.parametrize(('size', 'shape'), [(64, (16, 16)), ((96, 32), (24, 8))], ids=str)
def test_logits_at_stride_4(model, make_samples, size, shape):
    images, samples = make_samples(batch=2, size=size)
    with torch.no_grad():
        logits = model.predict_logits(images, **stack_text(samples))
    assert logits.shape == (2, 1, *shape)
    assert logits.std() > 1e-3


def test_images_of_a_batch_are_independent(model, make_samples):
    images, samples = make_samples(batch=3, lengths=(10, 7, 4))
    ids, mask = stack_text(samples).values()
    with torch.no_grad():
        together = model.predict_logits(images, ids, mask)
        alone = [
            model.predict_logits(images[i : i + 1], ids[i : i + 1], mask[i : i + 1])
            for i in range(3)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-2


def test_predict_fills_the_samples_at_input_resolution(model, make_samples):
    images, samples = make_samples(batch=2)
    for sample in samples:  # never used: the numbers are measured at input resolution
        sample.set_metainfo(dict(ori_shape=(33, 77)))
    with torch.no_grad():
        results = model.predict(images, samples)
        logits = model.predict_logits(images, **stack_text(samples))
    expected = F.interpolate(logits, (64, 64), mode='bilinear', align_corners=True)
    assert [result.ref_id for result in results] == [0, 1]
    for index, result in enumerate(results):
        assert result.seg_logits.data.dtype == torch.float32
        torch.testing.assert_close(result.seg_logits.data, expected[index])
        # align_corners=True: the corner pixels are the corner cells.
        torch.testing.assert_close(
            result.seg_logits.data[:, ::63, ::63], logits[index][:, ::15, ::15]
        )
        assert result.pred_sem_seg.data.dtype == torch.uint8
        assert torch.equal(result.pred_sem_seg.data, (expected[index] > 0).byte())
    masks = torch.cat([result.pred_sem_seg.data for result in results])
    assert 0 < masks.sum() < masks.numel()


def test_one_channel_is_thresholded_at_zero(model, make_samples):
    _, samples = make_samples(batch=1, size=2)
    logits = torch.tensor([[[[0.0, 1e-6], [-1e-6, 5.0]]]])
    result = model.postprocess_result(logits, samples)[0]
    assert result.pred_sem_seg.data.tolist() == [[[0, 1], [0, 1]]]
    assert torch.equal(result.seg_logits.data, logits[0])


def test_two_channels_take_the_larger(model, make_samples, monkeypatch):
    monkeypatch.setattr(type(model.decode_head), 'foreground', ForegroundRule('argmax'))
    _, samples = make_samples(batch=1, size=2)
    background, foreground = [[1.0, -3.0], [0.5, 2.0]], [[2.0, -4.0], [0.4, 3.0]]
    logits = torch.tensor([[background, foreground]])
    result = model.postprocess_result(logits, samples)[0]
    assert result.pred_sem_seg.data.tolist() == [[[1, 0], [0, 1]]]
    assert result.pred_sem_seg.data.dtype == torch.uint8
    assert result.seg_logits.data.shape == (2, 2, 2)


def test_predict_and_tensor_modes_through_the_preprocessor(model, make_samples):
    images, samples = make_samples(batch=2)
    raw = [(image * 40 + 120).clamp(0, 255).byte() for image in images]  # BGR, uint8
    data = model.data_preprocessor(dict(inputs=raw, data_samples=samples), False)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    rgb = (raw[0].flip(0).float() - mean) / std
    torch.testing.assert_close(data['inputs'][0], rgb)
    with torch.no_grad():
        tensor = model(**data, mode='tensor')
        results = model.test_step(dict(inputs=raw, data_samples=samples))
    upsampled = F.interpolate(tensor, (64, 64), mode='bilinear', align_corners=True)
    torch.testing.assert_close(results[1].seg_logits.data, upsampled[1])


def test_predict_without_samples(model):
    with pytest.raises(DataError, match='carry the sentences'):
        model.predict(torch.zeros(1, 3, 64, 64))


def test_expression_decides(model, make_samples):
    images, samples = make_samples(batch=1)
    ids, mask = stack_text(samples).values()
    other = ids.clone()
    other[0, 1:4] = torch.tensor([50, 51, 52])
    with torch.no_grad():
        change = model.predict_logits(images, ids, mask) - model.predict_logits(images, other, mask)
    assert change.abs().max() > 1e-3


# ---- what training parts cost ---------------------------------------------------------------


def test_auxiliary_heads_change_nothing_at_inference(
    model, build_model, tiny_magnet_config, make_samples
):
    config = tiny_magnet_config()
    config.auxiliary_head = None
    bare = build_model(config).eval()
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith('auxiliary_head')}
    assert len(weights) < len(model.state_dict())
    bare.load_state_dict(weights)
    images, samples = make_samples(batch=2)
    with torch.no_grad():
        expected = model.predict_logits(images, **stack_text(samples))
        assert torch.equal(bare.predict_logits(images, **stack_text(samples)), expected)


def test_no_training_part_runs_at_inference(model, make_samples):
    images, samples = make_samples(batch=1)
    with torch.no_grad():
        ran = names_run(model, lambda: model.predict(images, samples))
    idle = {name for name, _ in model.named_modules()} - ran
    text_branches = {
        name for name in ran if name.startswith('backbone.fusion') and '.text_' in name
    }
    assert {name.split('.')[2] for name in text_branches} == {'0', '1', '2'}
    assert not any(name.startswith('auxiliary_head') for name in ran)
    assert 'auxiliary_head.0.predictor' in idle
    trained = names_run(model, lambda: model.loss(images, samples))
    assert trained - ran >= {
        'auxiliary_head.0.transform',
        'auxiliary_head.1.lang_proj',
        'backbone.fusion.3.text_pwam',
        'backbone.fusion.3.text_gate',
    }


def test_a_head_that_reads_words_gets_the_last_ones(model, make_samples):
    images, samples = make_samples(batch=1)
    model.decode_head.uses_words = True
    with torch.no_grad():
        ran = names_run(model, lambda: model.predict(images, samples))
    assert 'backbone.fusion.3.text_gate' in ran


def test_corruption_in_training_only(model, make_samples):
    model.auxiliary_head[0].corruption = 1.0
    model.auxiliary_head[0].masked_share = 1.0
    images, samples = make_samples(batch=2, tokens=8, lengths=(8, 5))
    ids, _ = stack_text(samples).values()
    with torch.no_grad():
        corrupted = ids_read(model, lambda: model.loss(images, samples))
        clean = ids_read(model, lambda: model.predict(images, samples))
    assert torch.equal(clean, ids)
    assert corrupted[:, 0].tolist() == [2, 2]  # [CLS]
    assert corrupted[0, 1:].tolist() == [MASK_TOKEN] * 6 + [3]
    assert corrupted[1, 1:].tolist() == [MASK_TOKEN] * 3 + [3, 0, 0, 0]
    assert torch.equal(stack_text(samples)['input_ids'], ids)  # the samples keep the true words


def test_prediction_does_not_depend_on_the_seed(model, make_samples):
    images, samples = make_samples(batch=1)
    outputs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with torch.no_grad():
            outputs.append(model.predict(images, samples)[0].seg_logits.data)
    assert torch.equal(*outputs)


# ---- sizes and errors -----------------------------------------------------------------------


def test_derived_channel_numbers(model):
    grounding, alignment = model.auxiliary_head
    assert [conv.conv.in_channels for conv in model.decode_head.pixel_decoder.input_convs] == [
        256, 128, 64, 32,
    ]  # fmt: skip
    assert grounding.visual_project.weight.shape == (64, 256)
    assert grounding.vocabulary_bias.shape == (200,)
    assert alignment.lang_proj.weight.shape == (64, 64)
    assert (model.num_classes, model.out_channels, model.align_corners) == (1, 1, True)


def test_lent_word_embedding_is_no_second_parameter(model):
    lent = model.backbone.text.word_embedding
    owners = [name for name, p in model.named_parameters(remove_duplicate=False) if p is lent]
    assert owners == ['backbone.text.embeddings.word_embeddings.weight']


def test_one_auxiliary_head_may_stand_without_a_list(build_model, tiny_magnet_config, make_samples):
    config = tiny_magnet_config()
    config.auxiliary_head = config.auxiliary_head[1]
    images, samples = make_samples(batch=1)
    losses = build_model(config).loss(images, samples)
    assert {key for key in losses if key.startswith('aux')} == {'aux_0.loss_p2p', 'aux_0.loss_p2t'}


def test_auxiliary_head_without_the_pixel_embedding_it_needs(tiny_magnet_config, build_model):
    config = tiny_magnet_config()
    config.decode_head.type = 'HeadWithoutPixelEmbedding'
    with pytest.raises(ConfigError, match='AlignmentLoss needs pixel_channels.*HeadWithoutPixel'):
        build_model(config)
    config.auxiliary_head = config.auxiliary_head[:1]  # grounding does not need it
    assert len(build_model(config).auxiliary_head) == 1


def test_two_corrupting_heads(tiny_magnet_config, build_model):
    config = tiny_magnet_config()
    config.auxiliary_head = [config.auxiliary_head[0], config.auxiliary_head[0]]
    with pytest.raises(ConfigError, match='Only one auxiliary head'):
        build_model(config)


@pytest.mark.parametrize('part', ['segmentor', 'decode_head'])
def test_truth_10_pretrained_models_and_heads_are_whole(
    part, tiny_magnet_config, build_model, tmp_path
):
    config = tiny_magnet_config()
    whole = build_model(config)
    state = (whole if part == 'segmentor' else whole.decode_head).state_dict()
    file = tmp_path / 'weights.pth'
    place = config if part == 'segmentor' else config.decode_head
    place.init_cfg = dict(type='Pretrained', checkpoint=str(file))
    if part == 'segmentor':  # auxiliary heads may be absent
        state = {key: value for key, value in state.items() if 'auxiliary_head' not in key}
    torch.save(state, file)
    loaded = build_model(config)
    assert torch.equal(loaded.decode_head.query_feat.weight, whole.decode_head.query_feat.weight)
    assert not any(value.isnan().any() for value in loaded.state_dict().values())
    torch.save({'foo': torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match='weights.pth does not fit'):
        build_model(config)
