# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every shipped config: its model trains one step at toy size, its data and schedule build."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import DATASETS, METRICS

from magnet_mm.engine.runtime import fit_to_machine

CONFIGS = sorted((Path(__file__).resolve().parents[1] / 'configs').glob('*.py'))


def shrink(model: dict) -> dict:
    """The same components at toy sizes, without pretrained weights."""
    visual = model['backbone']['visual']
    if visual['type'] == 'StagewiseSwin':
        visual.update(
            embed_dims=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, init_cfg=None
        )
    else:
        visual.update(depth=18, base_channels=8, stem_channels=8, init_cfg=None)
    text = model['backbone']['text']
    layers = [4, 0, 0, 0] if 0 in text['groups'] else [1, 1, 1, 1]
    text.update(
        groups=layers,
        pretrained=None,
        config=dict(
            vocab_size=200,
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
        ),
    )
    if text.get('frozen'):
        text['frozen'] = ['embeddings', 'encoder.layer.3']
    if model['decode_head']['type'] == 'OneQueryMask2FormerHead':
        model['decode_head'].update(
            channels=32, num_heads=2, encoder_layers=1, decoder_layers=3, decoder_ffn_channels=32
        )
    for head in model.get('auxiliary_head', []):
        if head['type'] == 'MaskGroundingHead':
            head.update(num_layers=1, num_heads=2, ffn_channels=32, corruption=0.5)
    return model


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request) -> Config:
    return Config.fromfile(str(request.param))


def test_there_are_configs():
    assert {'magnet_swinb_refcoco', 'magnet_tiny_refshapes'} <= {path.stem for path in CONFIGS}


def test_model_trains_one_step(config, build_model, make_samples):
    fit_to_machine(config, training=True)
    model = build_model(shrink(config.model)).train()
    optimiser = build_optim_wrapper(model, config.optim_wrapper)
    images, samples = make_samples(batch=2, size=64)
    trained = {name: p.clone() for name, p in model.named_parameters() if p.requires_grad}
    loss, _ = model.parse_losses(model.loss(images, samples))
    assert torch.isfinite(loss)
    optimiser.update_params(loss)
    moved = {
        name for name, p in model.named_parameters() if not torch.equal(p, trained.get(name, p))
    }
    # A zero gradient leaves weights that are not decayed; everything else must have moved.
    assert len(moved) > 0.8 * len(trained)
    assert not moved & {name for name, p in model.named_parameters() if not p.requires_grad}

    model.eval()
    with torch.no_grad():
        predictions = model.predict(images, samples)
    assert predictions[0].pred_sem_seg.data.shape == (1, 64, 64)


def test_data_and_metric_build(config):
    from mmengine.registry import init_default_scope

    init_default_scope('mmseg')
    size = tuple(config.model.data_preprocessor.size)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        resize = next(step for step in _pipelines(loader.dataset)[0] if step['type'] == 'Resize')
        assert tuple(resize['scale']) == size
        assert resize['keep_ratio'] is False
    assert config.train_dataloader.sampler.type == 'VisitSampler'
    dataset = DATASETS.build(dict(config.val_dataloader.dataset, lazy_init=True))
    assert dataset.test_mode
    assert METRICS.build(config.val_evaluator).resolution == 'input'


def _pipelines(dataset: dict) -> list[list[dict]]:
    if 'pipeline' in dataset:
        return [dataset['pipeline']]
    return [pipeline for part in dataset['datasets'] for pipeline in _pipelines(part)]


@pytest.mark.parametrize(
    'name', [path.stem for path in CONFIGS if path.stem.startswith('magnet_swinb_')]
)
def test_the_recipe_of_the_supplement(name):
    """MagNet supplement sec. 3: AdamW 5e-5, decay 0.01, polynomial, 40 epochs, batch 32, 480 px."""
    config = Config.fromfile(str(CONFIGS[0].parent / f'{name}.py'))
    assert config.optim_wrapper.optimizer == dict(type='AdamW', lr=5e-5, weight_decay=0.01)
    assert [scheduler.type for scheduler in config.param_scheduler] == ['PolyLR']
    assert config.train_cfg.max_epochs == config.param_scheduler[0].end == 40
    assert 8 * config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 32
    assert tuple(config.model.data_preprocessor.size) == (480, 480)
    tokens = {
        step['max_tokens']
        for pipeline in _pipelines(config.train_dataloader.dataset)
        for step in pipeline
        if step['type'] == 'TokenizeExpression'
    }
    assert tokens == {20}
