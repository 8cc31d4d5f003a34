# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm finetune`` from data to a checkpoint that the inferencer opens."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.cli import main
from magnet_mm.data_tools.conversion import refcoco_to_jsonl
from magnet_mm.errors import ConfigError
from magnet_mm.finetuning.written_config import recipe_of, without_pretrained
from magnet_mm.refshapes import write_refshapes

CONFIG = Path(__file__).resolve().parents[2] / 'configs/magnet_tiny_refshapes.py'


@pytest.fixture(scope='module')
def own(tmp_path_factory) -> SimpleNamespace:
    """Three images of RefShapes' second style as own data, and a checkpoint with its config."""
    root = tmp_path_factory.mktemp('own')
    counts = dict(train=3, val=0, testA=0, testB=0)
    write_refshapes(root / 'data', 0, counts, style='market')
    files = (root / 'data/refshapes' / name for name in ('instances.json', 'refs(unc).p'))
    refcoco_to_jsonl(*files, root / 'own.jsonl')
    lines = [json.loads(line) for line in (root / 'own.jsonl').read_text().splitlines()]
    for line in lines:
        del line['split']
    (root / 'own.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    cfg = Config.fromfile(CONFIG)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.num_workers = 0
    with DefaultScope.overwrite_default_scope('mmseg'):
        state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=state, meta=dict(cfg=cfg.pretty_text)), root / 'start.pth')
    return SimpleNamespace(
        root=root,
        arguments=[
            *('--data', root / 'own.jsonl', '--from', root / 'start.pth'),
            *('--images', root / 'data/images/mscoco/images/train2014'),
        ],
        image=next((root / 'data/images/mscoco/images/train2014').iterdir()),
    )


def finetune(own, *more):
    return main(['finetune', *map(str, [*own.arguments, *more])])


def test_from_data_to_the_inferencer(own, capsys):
    work = own.root / 'work'
    assert finetune(own, '--work-dir', work, '--epochs', 1, '--freeze', 'visual') == 0
    printed = capsys.readouterr().out
    assert '1 of 3 images drawn for val, seed 0' in printed
    assert 'words are new to the model' in printed
    assert 'sentences became better' in printed and 'Before and after' in printed
    cfg = Config.fromfile(work / 'finetune.py')
    assert cfg.model.backbone.frozen == ['visual']
    assert cfg.load_from == str(work / 'start.pth')
    assert cfg.train_dataloader.dataset.type == 'JsonLinesReferringDataset'
    assert cfg.optim_wrapper.constructor == 'GroupedOptimWrapperConstructor'  # the base's
    lines = [json.loads(line) for line in (work / 'data.jsonl').read_text().splitlines()]
    assert {line['split'] for line in lines} == {'train', 'val'}

    before, after = (
        torch.load(path, weights_only=True)['state_dict']
        for path in (own.root / 'start.pth', work / 'finetuned.pth')
    )
    changed = {
        key for key in before if key in after and before[key].shape == after[key].shape
        and not torch.equal(before[key], after[key])
    }  # fmt: skip
    assert not any(key.startswith('backbone.visual.') for key in changed)
    assert any(key.startswith('decode_head.') for key in changed)
    scores = json.loads((work / 'scores.json').read_text())
    assert set(scores) == {'before', 'after'} and 0 <= scores['after']['oIoU'] <= 100
    assert 'optimizer' not in torch.load(work / 'finetuned.pth', weights_only=True)
    assert (work / 'report/report.html').read_text().count('<html') == 1

    inferencer = ReferringSegInferencer(work / 'finetune.py', work / 'finetuned.pth', 'cpu')
    learned = next(line['expressions'][0] for line in lines if line['split'] == 'train')
    (result,) = inferencer(str(own.image), learned)
    assert result.mask.dtype == np.bool_ and not result.notes  # the words are known now

    assert finetune(own, '--work-dir', work) == 1  # nothing is overwritten
    assert 'is there already' in capsys.readouterr().err


def test_prepare_only_and_a_config_of_the_users(own, capsys):
    work = own.root / 'prepared'
    config = own.root / 'base_of_mine.py'
    config.write_text(f"_base_ = '{CONFIG}'\ntrain_dataloader = dict(num_workers=0)\n")
    assert finetune(own, '--work-dir', work, '--prepare-only', '--config', config) == 0
    cfg = Config.fromfile(work / 'finetune.py')
    assert cfg.default_hooks.early_stopping.monitor == 'oIoU'
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (50, 5)
    assert not (work / 'finetuned.pth').exists()
    assert f'Config: {work / "finetune.py"}' in capsys.readouterr().out.replace('\n', '')


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (('--freeze', 'image'), '--freeze takes visual, text, fusion'),
        (('--val-share', '1'), '--val-share is between 0 and 1'),
        (('--from', 'nowhere.pth'), 'There is no checkpoint nowhere.pth'),
        (('--data', 'nowhere.jsonl'), 'There is no nowhere.jsonl'),
    ],
)
def test_arguments_that_make_no_sense(own, arguments, told, capsys):
    assert finetune(own, '--work-dir', own.root / 'never', *arguments) == 1
    assert told in capsys.readouterr().err


def test_nothing_is_loaded_before_the_checkpoint():
    model = dict(
        backbone=dict(visual=dict(init_cfg=dict(type='Pretrained', checkpoint='x')), text=dict(
            pretrained='bert', word_vectors=dict(vectors='glove.txt'))),
        heads=[dict(init_cfg=dict(type='Normal', std=0.1))],
    )  # fmt: skip
    without_pretrained(model, ['pretrained'])
    assert model['backbone']['text'] == dict(
        pretrained=None, word_vectors=dict(vectors='glove.txt')
    )
    without_pretrained(model)
    assert model == dict(
        backbone=dict(
            visual=dict(init_cfg=None), text=dict(pretrained=None, word_vectors=dict(vectors=None))
        ),
        heads=[dict(init_cfg=dict(type='Normal', std=0.1))],
    )


def test_a_config_without_a_learning_rate():
    with pytest.raises(ConfigError, match='no optim_wrapper.optimizer.lr'):
        recipe_of(Config(dict(train_dataloader=dict(batch_size=4))))
