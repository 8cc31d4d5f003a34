# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Published files convert completely or not at all."""

import importlib.util
import io
import math
import os
import sys
from pathlib import Path

import pytest
import torch

from magnet_mm.errors import CheckpointError
from magnet_mm.released import (
    LAVT,
    MAGNET,
    conversion,
    convert_checkpoint,
    convert_state_dict,
    count_elements,
    read_published,
    recognise,
)
from magnet_mm.released.key_map import merge_order_to_unfold

NAMES = ('magnet', 'lavt_one')
TOTALS = {'magnet': 296_984_954, 'lavt_one': 227_739_514}
TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'model_converters'


@pytest.fixture
def base(files):
    """``base(name)``: a state dict in the published Swin-B layout, all floats 0.5."""
    return lambda name: files.published_state_dict(f'{name}_base', files.one_element)


@pytest.fixture
def run_converter(swinb_targets, monkeypatch):
    """``run_converter(tool, *arguments)`` runs a converter's command line in this process."""

    class Built:
        def __init__(self, config):
            name = 'magnet' if 'magnet' in Path(config).name else 'lavt_one'
            self.state_dict = lambda: swinb_targets[name]

    monkeypatch.setattr(conversion, 'build_model', Built)
    monkeypatch.syspath_prepend(str(TOOLS))

    def run(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [f'{tool}.py', *map(str, arguments)])
        spec = importlib.util.spec_from_file_location('__main__', TOOLS / f'{tool}.py')
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    return run


@pytest.mark.parametrize('name', NAMES)
def test_base_layouts_convert_completely(name, files, base, swinb_targets):
    published = base(name)
    key_map = files.key_maps[name]
    assert count_elements(published) == TOTALS[name]

    converted = convert_state_dict(published, key_map, swinb_targets[name])

    target = swinb_targets[name]
    left_out = set(target) - set(converted)
    assert all(key.startswith('auxiliary_head.0.') for key in left_out)
    assert ('auxiliary_head.1.lang_proj.weight' in converted) == (name == 'magnet')
    assert {k: v.shape for k, v in converted.items()} == {k: target[k].shape for k in converted}
    without_effect = {k: v for k, v in published.items() if key_map.translate(k) is None}
    assert count_elements(converted) + count_elements(without_effect) == TOTALS[name]


def test_keys_without_effect_are_those_of_the_specification(files):
    """Methods 3.1b and 1.1: norms of the plain path, class head, gates behind the last stage."""
    groups = {
        name: {
            '.'.join(key.split('.')[:-1])
            for key in files.key_list(f'{name}_base')
            if files.key_maps[name].translate(key) is None
        }
        for name in NAMES
    }
    assert groups['magnet'] == {
        *(f'image_model.norm{i}' for i in range(4)),
        *(f'language_model.norms.{i}' for i in range(4)),
        'image_model.layers.3.res_gate.0',
        'image_model.layers.3.res_gate.2',
        'classifier.predictor.class_embed',
    }
    assert groups['lavt_one'] == {'backbone.layers.3.res_gate.0', 'backbone.layers.3.res_gate.2'}


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('variant', ['base', 'tiny'])
def test_no_two_keys_become_one(name, variant, files):
    keys = [files.key_maps[name].translate(key) for key in files.key_list(f'{name}_{variant}')]
    kept = [key for key in keys if key is not None]
    assert len(kept) == len(set(kept)) > 400


def test_patch_merging_columns():
    """Official order: 4 neighbours of C channels each; mmseg: C channels of 4 neighbours each."""
    # column value = 10 * neighbour + channel, neighbours in Swin's order (0,0) (1,0) (0,1) (1,1)
    official = torch.tensor([[0, 1, 10, 11, 20, 21, 30, 31]])
    # nn.Unfold walks rows first: (0,0) (0,1) (1,0) (1,1), that is 0, 2, 1, 3
    assert merge_order_to_unfold(official).tolist() == [[0, 20, 10, 30, 1, 21, 11, 31]]
    assert merge_order_to_unfold(official[0]).tolist() == [0, 20, 10, 30, 1, 21, 11, 31]


def test_patch_merging_equals_swin():
    from mmseg.models.utils.embed import PatchMerging

    channels = 3
    merging = PatchMerging(channels, 2 * channels).double()
    weight = torch.randn(2 * channels, 4 * channels, dtype=torch.float64)
    scale, shift = torch.randn(2, 4 * channels, dtype=torch.float64)
    merging.reduction.weight.data = merge_order_to_unfold(weight)
    merging.norm.weight.data = merge_order_to_unfold(scale)
    merging.norm.bias.data = merge_order_to_unfold(shift)
    x = torch.randn(1, 4, 6, channels, dtype=torch.float64)
    corners = [x[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))]
    normal = torch.nn.functional.layer_norm(
        torch.cat(corners, -1), (4 * channels,), scale, shift, merging.norm.eps
    )
    ours, size = merging(x.flatten(1, 2), (4, 6))
    assert size == (2, 3)
    torch.testing.assert_close(ours, (normal @ weight.T).flatten(1, 2))


@pytest.mark.parametrize('name', NAMES)
def test_command_line_writes_a_complete_file(name, files, base, run_converter, tmp_path, capsys):
    prefixed = {f'module.{key}': tensor for key, tensor in base(name).items()}
    source = files.save_published(tmp_path / 'published.pth', prefixed)
    destination = tmp_path / 'new' / 'converted.pth'
    run_converter({'magnet': 'magnet2mm', 'lavt_one': 'lavt2mm'}[name], source, destination)
    assert f'{name} weights' in capsys.readouterr().out
    assert os.listdir(destination.parent) == ['converted.pth']  # no temporary file
    written = torch.load(destination, weights_only=True)
    assert written['meta']['layout'] == name
    assert written['meta']['converted_from'] == 'published.pth'
    key = 'backbone.visual.stages.2.blocks.17.ffn.layers.1.weight'
    assert written['state_dict'][key].shape == (512, 2048)


def test_older_lavt_with_bert_beside_it(files, base, swinb_targets, tmp_path):
    whole = base('lavt_one')
    bert = {
        key.removeprefix('text_encoder.'): tensor
        for key, tensor in whole.items()
        if key.startswith('text_encoder.')
    }
    bert['embeddings.position_ids'] = torch.arange(512)[None]  # old transformers saved it
    image = {key: tensor for key, tensor in whole.items() if not key.startswith('text_encoder.')}
    assert len(bert) > 190 and len(image) > 400
    path = files.save_published(tmp_path / 'lavt.pth', image, bert_model=bert)
    published = read_published(path)
    assert published.layout == 'lavt'
    converted = convert_state_dict(published.state_dict, LAVT, swinb_targets['lavt_one'])
    assert set(converted) == set(convert_state_dict(whole, LAVT, swinb_targets['lavt_one']))

    with pytest.raises(CheckpointError, match="no text encoder.*'bert_model'"):
        read_published(files.save_published(tmp_path / 'half.pth', image))


def test_training_only_parts_may_be_missing(base, swinb_targets):
    published = base('magnet')
    for key in [key for key in published if key.startswith('lang_proj')]:
        del published[key]
    converted = convert_state_dict(published, MAGNET, swinb_targets['magnet'])
    assert not any(key.startswith('auxiliary_head') for key in converted)


def test_truth_44_the_alignment_loss_is_found_wherever_it_stands(base, swinb_targets, monkeypatch):
    said = []
    monkeypatch.setattr(conversion, 'print_log', lambda text, **_: said.append(text))
    published, ours = base('magnet'), 'auxiliary_head.1.lang_proj'
    for place in (0, 5):
        renamed = {
            key.replace(ours, f'auxiliary_head.{place}.lang_proj'): value
            for key, value in swinb_targets['magnet'].items()
        }
        converted = convert_state_dict(published, MAGNET, renamed)
        for name in ('weight', 'bias'):
            assert f'auxiliary_head.{place}.lang_proj.{name}' in converted
    absent = {key: value for key, value in swinb_targets['magnet'].items() if ours not in key}
    converted = convert_state_dict(published, MAGNET, absent)
    assert not any('lang_proj' in key for key in converted)
    assert len(said) == 1 and 'no place' in said[0] and 'lang_proj.weight' in said[0]
    twice = dict(swinb_targets['magnet'])
    twice['auxiliary_head.2.lang_proj.weight'] = twice[f'{ours}.weight']
    with pytest.raises(CheckpointError, match=r'could be auxiliary_head\.1.*auxiliary_head\.2'):
        convert_state_dict(published, MAGNET, twice)


def test_lists_everything_that_does_not_fit(base, swinb_targets):
    published = base('magnet')
    del published['classifier.predictor.query_feat.weight']
    del published['image_model.layers.1.fusion.project_mm.0.bias']
    published['classifier.extra.weight'] = torch.zeros(3)
    published['image_model.layers.0.blocks.9.norm1.weight'] = torch.zeros(128)
    published['image_model.patch_embed.norm.bias'] = torch.zeros(127)
    published['image_model.layers.0.downsample.norm.weight'] = torch.zeros(510)  # not 4 C
    published['image_model.layers.2.blocks.3.attn.relative_position_index'] += 1
    with pytest.raises(CheckpointError) as error:
        convert_state_dict(published, MAGNET, swinb_targets['magnet'], 'file.pth')
    message = str(error.value)
    assert message.startswith('file.pth does not fit released MagNet')
    for expected in (
        '2 keys missing (our names):',
        'decode_head.query_feat.weight',
        'backbone.fusion.1.pwam.project.bias',
        '2 keys unexpected:',
        'classifier.extra.weight',
        'image_model.layers.0.blocks.9.norm1.weight (would be backbone.visual.stages.0',
        '2 keys of the wrong shape:',
        'image_model.patch_embed.norm.bias (has (127,), backbone.visual.patch_embed.norm.bias (128',
        'image_model.layers.0.downsample.norm.weight (has (510,)',
        '1 keys that hold other constants',
        'image_model.layers.2.blocks.3.attn.relative_position_index',
    ):
        assert expected in message, expected


def test_nothing_is_written_when_it_does_not_fit(files, base, run_converter, tmp_path):
    published = base('lavt_one')
    del published['classifier.conv1_1.bias']
    source = files.save_published(tmp_path / 'published.pth', published)
    destination = tmp_path / 'out' / 'converted.pth'
    with pytest.raises(SystemExit) as stop:
        run_converter('lavt2mm', source, destination)
    assert 'decode_head.conv_seg.bias' in str(stop.value)
    assert 'nothing was written' in str(stop.value)
    assert not destination.parent.exists()


def test_wrong_tool_is_named(files, base, tmp_path):
    source = files.save_published(tmp_path / 'published.pth', base('lavt_one'))
    with pytest.raises(CheckpointError, match='a lavt_one checkpoint.*use .*/lavt2mm.py'):
        convert_checkpoint(source, tmp_path / 'out.pth', MAGNET, files.configs['magnet'])
    assert not (tmp_path / 'out.pth').exists()


def test_a_failing_write_leaves_the_old_file(base, run_converter, files, tmp_path, monkeypatch):
    source = files.save_published(tmp_path / 'published.pth', base('lavt_one'))
    destination = tmp_path / 'converted.pth'
    destination.write_bytes(b'the old file')

    def full_disk(_checkpoint, path):
        Path(path).write_bytes(b'half')
        raise OSError('No space left on device')

    monkeypatch.setattr(conversion.torch, 'save', full_disk)
    with pytest.raises(OSError, match='No space left'):
        run_converter('lavt2mm', source, destination)
    assert destination.read_bytes() == b'the old file'
    assert sorted(os.listdir(tmp_path)) == ['converted.pth', 'published.pth']


class _RunsCode:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


def test_a_malicious_file_runs_nothing(files, base, tmp_path):
    marker = tmp_path / 'code_ran'
    path = tmp_path / 'malicious.pth'
    torch.save(dict(model=base('lavt_one'), args=_RunsCode(str(marker))), path)
    with pytest.raises(CheckpointError, match='mkdir'):
        convert_checkpoint(path, tmp_path / 'out.pth', LAVT, files.configs['lavt_one'])
    assert not marker.exists()
    assert not (tmp_path / 'out.pth').exists()
    torch.load(path, weights_only=False)  # the file is a working attack
    assert marker.exists()


@pytest.mark.parametrize('size', [0, 10, 30_000])
def test_truncated_file(size, files, base, tmp_path):
    path = files.save_published(tmp_path / 'published.pth', base('magnet'))
    whole = path.read_bytes()
    assert len(whole) > 60_000
    path.write_bytes(whole[:size])
    with pytest.raises(CheckpointError, match='published.pth'):
        read_published(path)


def test_files_that_are_no_published_checkpoints(tmp_path):
    with pytest.raises(CheckpointError, match='does not exist'):
        read_published(tmp_path / 'absent.pth')
    for content, message in (
        ([1, 2], 'a list'),
        ({'weights': {}, 'meta': {}}, 'the entries weights, meta'),
        ({'model': {'head.weight': torch.zeros(1)}}, 'keys start with head'),
        ({'model': {'backbone.x': 'text'}}, r'no tensors \(backbone.x\)'),
        ({'model': {'a': torch.zeros(1), 'module.a': torch.zeros(1)}}, 'with and without'),
    ):
        stream = io.BytesIO()
        torch.save(content, stream)
        stream.seek(0)
        loaded = torch.load(stream, weights_only=True)
        with pytest.raises(CheckpointError, match=message):
            recognise(loaded, 'file.pth')


def test_count_elements_leaves_out_statistics(files):
    layout = files.key_list('lavt_one_base')
    statistics = sum(
        math.prod(shape)
        for key, (_, shape) in layout.items()
        if key.endswith(('running_mean', 'running_var'))
    )
    assert statistics == 6 * 2 * 512
    state_dict = {
        'bn.weight': torch.zeros(4),
        'bn.running_mean': torch.zeros(4),
        'bn.num_batches_tracked': torch.tensor(0),
        'conv.weight': torch.zeros(2, 3),
    }
    assert count_elements(state_dict) == 10
    assert count_elements(state_dict, ['conv.']) == 6
