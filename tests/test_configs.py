# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every shipped config: its model trains one step at toy size, its data and schedule build."""

import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import get_external_models
from mmseg.registry import DATASETS, METRICS, MODELS
from small_models import shrink

from magnet_mm.engine.run_setup.runtime import fit_to_machine
from magnet_mm.models import StagewiseDarknet

ROOT = Path(__file__).resolve().parents[1] / 'configs'
CONFIGS = sorted([*ROOT.glob('*.py'), *ROOT.glob('ablations/*.py')])
MAGNET_ABLATIONS = {  # name: (CAM, auxiliary heads)
    'baseline': (False, []),
    'mg': (False, ['MaskGroundingHead']),
    'cam': (True, []),
    'cal': (False, ['AlignmentLoss']),
    'mg-cam': (True, ['MaskGroundingHead']),
    'mg-cal': (False, ['MaskGroundingHead', 'AlignmentLoss']),
    'cam-cal': (True, ['AlignmentLoss']),
}


@pytest.fixture(autouse=True)
def narrow_darknet(monkeypatch):
    """Darknet-53 with one block per stage and few channels."""
    narrow = ((1, 1, 1, 1, 1), ((32, 8), (8, 8), (8, 16), (16, 32), (32, 64)))
    monkeypatch.setattr(StagewiseDarknet, 'arch_settings', {53: narrow})


def read(name: str) -> Config:
    """A shipped config by its path below ``configs``, without ``.py``."""
    return Config.fromfile(str(ROOT / f'{name}.py'))


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request) -> Config:
    return Config.fromfile(str(request.param))


def test_there_are_configs():
    names = {path.stem for path in CONFIGS}
    assert {'magnet_swinb_refcoco', 'magnet_tiny_refshapes', 'magnet_tiny_mg_refshapes'} <= names
    assert len(names) == len(CONFIGS)  # a work directory is named after the file alone


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
    init_default_scope('mmseg')
    size = tuple(config.model.data_preprocessor.size)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        steps = {step['type']: step for step in _pipelines(loader.dataset)[0]}
        if 'Letterbox' in steps:
            assert tuple(steps['Letterbox']['size']) == size
        else:
            assert tuple(steps['Resize']['scale']) == size
            assert steps['Resize']['keep_ratio'] is False
    assert config.train_dataloader.sampler.type in ('EpochSampler', 'ImageWiseSampler')
    dataset = DATASETS.build(dict(config.val_dataloader.dataset, lazy_init=True))
    assert dataset.test_mode
    assert METRICS.build(config.val_evaluator).resolution == 'input'


def _pipelines(dataset: dict) -> list[list[dict]]:
    if 'pipeline' in dataset:
        return [dataset['pipeline']]
    return [pipeline for part in dataset['datasets'] for pipeline in _pipelines(part)]


@pytest.mark.parametrize(
    'name',
    [
        str(path.relative_to(ROOT).with_suffix(''))
        for path in CONFIGS
        if path.stem.startswith('magnet_swinb_')
    ],
)
def test_the_recipe_of_the_supplement(name):
    """MagNet supplement sec. 3: AdamW 5e-5, decay 0.01, polynomial, 40 epochs, batch 32, 480 px."""
    config = read(name)
    assert config.optim_wrapper.optimizer == dict(type='AdamW', lr=5e-5, weight_decay=0.01)
    assert [scheduler.type for scheduler in config.param_scheduler] == ['PolyLR']
    assert config.train_cfg.max_epochs == 40 and 'end' not in config.param_scheduler[0]
    assert 8 * config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 32
    assert tuple(config.model.data_preprocessor.size) == (480, 480)
    tokens = {
        step['max_tokens']
        for pipeline in _pipelines(config.train_dataloader.dataset)
        for step in pipeline
        if step['type'] == 'TokenizeExpression'
    }
    assert tokens == {20}


@pytest.mark.parametrize(
    ('name', 'allowed'),
    [
        ('lavt_r101', set()),
        ('coupalign_r101', set()),
        ('magnet_darknet53', {'mean', 'std'}),
        ('coupalign_darknet53', {'mean', 'std'}),
    ],
)
def test_a_backbone_swap_changes_the_visual_entry_alone(name, allowed):
    """Darknet's weights also want their own normalisation of the pixels."""
    ours = read(f'{name}_refcoco').to_dict()
    theirs = read(f'{name.split("_")[0]}_swinb_refcoco').to_dict()
    before, after = theirs['model']['data_preprocessor'], ours['model']['data_preprocessor']
    assert {key for key in before if before[key] != after[key]} == allowed
    for config in (ours, theirs):
        del config['model']['backbone']['visual'], config['model']['data_preprocessor']
    assert {key: ours[key] for key in theirs} == theirs


@pytest.mark.parametrize('name', ['magnet_darknet53', 'coupalign_darknet53'])
def test_truth_14_darknet_weights_have_seen_imagenet_alone(name, tmp_path):
    init_default_scope('mmseg')
    visual = read(f'{name}_refcoco').model.backbone.visual
    assert visual.init_cfg == dict(type='Pretrained', checkpoint='open-mmlab://darknet53')
    assert 'darknet53' in get_external_models()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        MODELS.build(visual)
    # the detector's weights have to be asked for
    leaf = tmp_path / 'coco.py'
    leaf.write_text(
        f'_base_ = [{str(ROOT / f"{name}_refcoco.py")!r},'
        f'{str(ROOT / "_base_/visual/darknet53-coco.py")!r}]\n'
        'model = _base_.darknet53_coco\n'
    )
    visual = Config.fromfile(leaf).model.backbone.visual
    assert visual.init_cfg.prefix == 'backbone.' and visual.depth == 53
    with pytest.warns(UserWarning, match='has seen the val and test images of RefCOCO'):
        MODELS.build(visual)


@pytest.mark.parametrize(
    ('name', 'plugin'),
    [
        ('lavt-mg_swinb', 'mask_grounding_head'),
        ('lavt-mg_r101', 'mask_grounding_head'),
        ('lavt-cal_swinb', 'alignment_loss'),
        ('lavt-contrast_swinb', 'pixel_contrast_head'),
        ('lavt-boundary_swinb', 'boundary_head'),
        ('magnet-boundary_swinb', 'boundary_head'),
        ('coupalign-mg_swinb', 'mask_grounding_head'),
        ('coupalign-cal_swinb', 'alignment_loss'),
    ],
)
def test_a_plugin_adds_one_head(name, plugin):
    method, backbone = name.split('_')
    ours = read(f'{name}_refcoco').to_dict()
    theirs = read(f'{method.split("-")[0]}_{backbone}_refcoco').to_dict()
    heads = ours['model'].pop('auxiliary_head')
    assert heads == [*theirs['model'].pop('auxiliary_head', []), ours[plugin]]
    assert {key: ours[key] for key in theirs} == theirs


@pytest.mark.parametrize('name', MAGNET_ABLATIONS)
@pytest.mark.parametrize('kind', ['swinb_{}_refcoco', 'tiny_{}_refshapes'])
def test_the_ablations_of_magnet(kind, name):
    """Everything but the named parts, and their sizes, is the full model's."""
    full = read(f'magnet_{kind}'.replace('_{}', '')).to_dict()
    ours = read(f'ablations/magnet_{kind}'.format(name)).to_dict()
    has_cam, heads = MAGNET_ABLATIONS[name]
    pool_sizes = ours['model']['backbone']['fusion'].pop('pool_sizes')
    whole = full['model']['backbone']['fusion'].pop('pool_sizes')
    assert pool_sizes == (whole if has_cam else ())
    assert ours['model'].pop('auxiliary_head') == [
        head for head in full['model'].pop('auxiliary_head') if head['type'] in heads
    ]
    assert ours == full


@pytest.mark.parametrize('count', [0, 20, 50, 100, 150, 200])
@pytest.mark.parametrize(
    'kind', ['coupalign_swinb_n{}_refcoco', 'ablations/coupalign_tiny_n{}_refshapes']
)
def test_the_ablations_of_coupalign(kind, count):
    """Table 3 of the supplement: N masks; N = 0 has neither mask generator nor alignment."""
    full = read(kind.replace('_n{}', '').replace('ablations/', '')).to_dict()
    ours = read(kind.format(count)).to_dict()
    head, whole = ours['model'].pop('decode_head'), full['model'].pop('decode_head')
    assert ours == full
    if count:
        assert head['mask_generator'].pop('num_queries') == count
        del whole['mask_generator']['num_queries']
        assert head == whole
    else:
        assert head.pop('type') == 'LAVTHead'
        assert set(head) <= {'channels', 'norm_cfg', 'loss_decode'}
        assert all(whole[key] == value for key, value in head.items())


def test_truth_6_configs_for_released_weights_cut_sentences_as_released():
    def cuts(name):
        config = Config.fromfile(str(ROOT / f'{name}.py'))
        found = set()
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            for step in config[loader].dataset.pipeline:
                if step.type == 'TokenizeExpression':
                    found.add(step.get('keep_sep', True))
        [keep_sep] = found
        return not keep_sep

    for data in ('refcoco', 'refcocoplus', 'refcocog-umd', 'refcocog-google'):
        assert cuts(f'lavt_swinb_{data}') and not cuts(f'magnet_swinb_{data}')
    assert cuts('magnet_swinb_refcoco_released')
    assert not cuts('lavt_tiny_refshapes')
