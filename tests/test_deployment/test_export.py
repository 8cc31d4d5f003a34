# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What stands beside an exported file, and what is refused (TorchScript: quickest to write)."""

import json

import numpy as np
import pytest
import torch

from magnet_mm.datasets.tokenizers.hugging_face import load_tokenizer
from magnet_mm.deployment import (
    ExportMetadata,
    LogitsNetwork,
    export_checkpoint,
    largest_difference,
    load_network,
)
from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule


def test_metadata_says_how_to_use_the_file(small_config, save_checkpoint, tmp_path):
    config = small_config('lavt')
    files = export_checkpoint(
        config, 'lavt.py', save_checkpoint(config), tmp_path / 'out/lavt.pt', 'torchscript'
    )
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'lavt.pt',
        'lavt.pt.json',
        'lavt.pt.tokenizer.json',
    ]
    about = json.loads(files.metadata.read_text())
    assert about['config'] == 'lavt.py' and about['checkpoint'] == 'weights.pth'
    assert (about['height'], about['width'], about['colour_order']) == (64, 64, 'RGB')
    assert about['mean'] == [123.675, 116.28, 103.53] and about['std'] == [58.395, 57.12, 57.375]
    assert about['tokenizer'] == 'magnet_mm://refshapes' and about['max_tokens'] == 20
    assert about['channels'] == 2 and about['threshold'] == 0.0
    assert about['foreground']['kind'] == 'argmax' and about['foreground']['align_corners']
    assert about['inputs']['input_ids'] == dict(shape=['B', 20], dtype='int64')
    assert about['outputs']['logits']['shape'] == ['B', 2, 16, 16]
    logits = files.network(*files.network.example_inputs(2, (64, 64), 20))
    assert list(logits.shape[1:]) == about['outputs']['logits']['shape'][1:]


def test_truth_32_tokenizer_file_gives_the_tokens_of_the_test_pipeline(
    small_config, save_checkpoint, tmp_path
):
    from tokenizers import Tokenizer

    from magnet_mm.datasets.transforms import TokenizeExpression

    config = small_config('lavt')
    shared = load_tokenizer('magnet_mm://refshapes').backend_tokenizer
    shared.enable_padding(length=128, direction='left', pad_id=1)  # as MiniLM's is published
    shared.enable_truncation(128)
    files = export_checkpoint(
        config, 'lavt.py', save_checkpoint(config), tmp_path / 'lavt.pt', 'torchscript'
    )
    assert shared.padding['length'] == 128 and shared.truncation['max_length'] == 128
    shared.no_padding()
    shared.no_truncation()
    tokenizer = Tokenizer.from_file(str(files.tokenizer))
    transform = TokenizeExpression('magnet_mm://refshapes', 20)
    for sentence in ('the Red circle', 'a small blue square left of it ' * 4, ''):
        encoded = tokenizer.encode(sentence)
        expected = transform(dict(expression=sentence))
        np.testing.assert_array_equal(encoded.ids, expected['input_ids'])
        np.testing.assert_array_equal(encoded.attention_mask, expected['attention_mask'])


def test_loaded_network_has_the_weights_and_nothing_of_the_training(small_config, save_checkpoint):
    config = small_config('magnet')
    checkpoint = save_checkpoint(config)
    network = load_network(config, checkpoint)
    saved = torch.load(checkpoint)['state_dict']
    ours = network.segmentor.state_dict()
    assert ours and not any(name.startswith('auxiliary_head') for name in ours)
    assert all(torch.equal(saved[name], value) for name, value in ours.items())
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())


def test_checkpoint_of_another_model_is_refused(small_config, save_checkpoint):
    checkpoint = save_checkpoint(small_config('lavt'))
    with pytest.raises(CheckpointError, match=r'does not fit.*\n.*keys missing'):
        load_network(small_config('magnet'), checkpoint)


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        (dict(keep_ratio=True), 'one fixed size'),
        (dict(scale=(48, 64)), 'then padded'),
        (dict(type='LoadReferringMask'), 'no Resize'),
    ],
)
def test_a_pipeline_that_cannot_be_described_is_refused(small_config, change, complaint):
    config = small_config('lavt')
    steps = config.test_dataloader.dataset.pipeline
    next(step for step in steps if step['type'] == 'Resize').update(change)
    with pytest.raises(ConfigError, match=complaint):
        ExportMetadata.from_config(config, 'lavt.py', 'weights.pth', ForegroundRule('argmax'))


def test_width_and_height_are_not_mixed_up(small_config):
    config = small_config('lavt')
    steps = config.test_dataloader.dataset.pipeline
    next(step for step in steps if step['type'] == 'Resize')['scale'] = (96, 64)  # (w, h): mmcv
    config.model.data_preprocessor.size = (64, 96)  # (h, w): mmseg
    metadata = ExportMetadata.from_config(
        config, 'lavt.py', 'weights.pth', ForegroundRule('argmax')
    )
    assert (metadata.height, metadata.width) == (64, 96)


def test_unknown_format(small_config, tmp_path):
    with pytest.raises(ConfigError, match='onnx, torchscript, torch-export'):
        export_checkpoint(small_config('lavt'), 'lavt.py', 'x.pth', tmp_path / 'x', 'tflite')


def test_example_sentences_have_several_lengths(small_config, build_model):
    network = LogitsNetwork(build_model(small_config('lavt').model))
    images, ids, mask = network.example_inputs(3, (64, 48), 20)
    assert images.shape == (3, 3, 64, 48) and ids.shape == (3, 20) and ids.max() < 54
    assert mask.sum(1).tolist() == [8, 14, 20]
    assert torch.equal(ids > 0, mask > 0)


def test_a_tree_is_an_input_of_its_own(small_config, save_checkpoint, tmp_path):
    config = small_config('lscm')
    words = dict(type='TreeTokenizer', vocabulary='magnet_mm://refshapes')
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'] == 'TokenizeExpression':
            step['tokenizer'] = words
    out = tmp_path / 'lscm.pt'  # without the tokenizer: spaCy need not be installed
    files = export_checkpoint(
        config, 'lscm.py', save_checkpoint(config), out, 'torchscript', with_tokenizer=False
    )
    assert files.description.inputs['text_graph'] == dict(shape=['B', 20, 20], dtype='float32')
    assert list(files.description.inputs)[1:3] == ['input_ids', 'attention_mask']
    run = torch.jit.load(str(files.model))
    assert largest_difference(files, run) < 1e-4
    *inputs, graph = files.network.example_inputs(2, (64, 64), 20)
    assert (run(*inputs, graph) - run(*inputs, graph.flip(1))).abs().max() > 1e-5


def test_a_constant_batch_is_found(small_config, save_checkpoint, tmp_path):
    config = small_config('lavt')
    files = export_checkpoint(
        config, 'lavt.py', save_checkpoint(config), tmp_path / 'lavt.pt', 'torchscript'
    )
    with pytest.raises(RuntimeError, match='batch is not dynamic'):
        largest_difference(files, lambda *inputs: files.network(*inputs)[:2], batches=(1, 3))
    off = largest_difference(files, lambda *inputs: files.network(*inputs) + 0.25, batches=(1,))
    assert abs(off - 0.25) < 1e-5


def test_the_answer_that_nothing_is_meant_is_exported(small_config, save_checkpoint, tmp_path):
    config = small_config('rela')
    files = export_checkpoint(
        config, 'rela.py', save_checkpoint(config), tmp_path / 'rela.pt', 'torchscript'
    )
    about = json.loads(files.metadata.read_text())
    assert list(about['outputs']) == ['logits', 'no_target']
    assert about['outputs']['no_target']['shape'] == ['B']
    run = torch.jit.load(str(files.model))
    inputs = files.network.example_inputs(3, (64, 64), 20)
    masks, no_target = run(*inputs)
    expected = files.network.segmentor.predict_tensors(*inputs)
    torch.testing.assert_close(masks, expected.masks)
    torch.testing.assert_close(no_target, expected.no_target)
    assert no_target.shape == (3,)


def test_truth_6_a_sentence_that_is_cut_loses_its_sep_in_the_exported_file_too(
    small_config, save_checkpoint, tmp_path
):
    from tokenizers import Tokenizer

    config = small_config('lavt')
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'] == 'TokenizeExpression':
            step.update(keep_sep=False, max_tokens=5)
    files = export_checkpoint(
        config, 'lavt.py', save_checkpoint(config), tmp_path / 'lavt.pt', 'torchscript'
    )
    encoded = Tokenizer.from_file(str(files.tokenizer)).encode('the red circle on the left')
    whole = load_tokenizer('magnet_mm://refshapes')('the red circle on the left')['input_ids']
    assert encoded.ids[:5] == whole[:5] and len(whole) > 5
    short = Tokenizer.from_file(str(files.tokenizer)).encode('red')
    assert short.ids == [2, *load_tokenizer('magnet_mm://refshapes')('red')['input_ids'][1:], 0, 0]
