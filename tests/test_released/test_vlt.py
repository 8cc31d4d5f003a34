# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Published VLT weights, a Keras file, into our model; every key accounted for."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from parity.golden import read_keys

from magnet_mm.errors import CheckpointError
from magnet_mm.released import VLT, build_model, convert_checkpoint, read_published
from magnet_mm.released.keras_file import tensorflow_layout

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / 'tests' / 'data' / 'reference'
CONFIG = REPOSITORY / 'configs' / 'vlt_darknet53_refcoco.py'


@pytest.fixture(scope='module')
def keys():
    """``TensorFlow name -> [dtype, shape]`` in the order of the published file."""
    return read_keys(REFERENCE / 'vlt_keys.json.gz')


def save(path, shapes):
    """A Keras ``save_weights`` file; the arrays are stored in one chunk each, all of one value."""
    with h5py.File(path, 'w') as file:
        for name, shape in shapes.items():
            layer = 'bidirectional_1' if 'gru' in name else name.split('/')[0]
            file.create_dataset(f'{layer}/{name}:0', shape, 'float32', fillvalue=0.5, chunks=True)
    return path


def test_every_key_has_one_place_of_its_shape(keys):
    with torch.device('meta'):
        target = build_model(CONFIG).state_dict()
    places = {}
    for key, (_, shape) in keys.items():
        ours = VLT.translate(key)
        assert ours not in places
        places[ours] = tensorflow_layout(ours, torch.empty(shape, device='meta')).shape
    needed = {
        key: value.shape
        for key, value in target.items()
        if not key.startswith('backbone.text.word_vectors.')
        and not key.endswith('.num_batches_tracked')
    }
    assert places == needed
    assert sum(shape.numel() for shape in places.values()) == 89_377_674


def test_a_keras_file_is_read_by_its_tensorflow_names(tmp_path, keys):
    few = {name: [2] for name in list(keys)[:3] + [n for n in keys if 'gru' in n]}
    few['multi_head_attention_1/multi_head_attention_1_bq'] = [2]
    published = read_published(save(tmp_path / 'vlt.h5', few))
    assert published.layout == 'vlt' and set(published.state_dict) == set(few)
    assert published.state_dict['conv2d_1/kernel'].tolist() == [0.5, 0.5]


def test_layouts():
    kernel = torch.from_numpy(np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2))
    assert tensorflow_layout('', kernel)[1, 0, 2, 0] == kernel[2, 0, 0, 1]
    assert tensorflow_layout('', torch.tensor([[1.0, 2.0]])).tolist() == [[1.0], [2.0]]


def test_a_whole_file_converts(tmp_path, keys):
    """All 89,377,674 values, with 100 words."""
    shapes = {name: list(shape) for name, (_, shape) in keys.items()}
    config = tmp_path / 'config.py'
    config.write_text(
        f'_base_ = "{CONFIG}"\nmodel = dict(backbone=dict(text=dict(vocabulary_size=100, '
        'word_vectors=dict(vectors=None))))\n'
    )
    meta = convert_checkpoint(save(tmp_path / 'vlt.h5', shapes), tmp_path / 'ours.pth', VLT, config)
    assert meta['layout'] == 'vlt'
    state = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    assert set(state) == {k for k in build_model(config).state_dict() if 'num_batches' not in k}
    assert (state['backbone.visual.conv1.conv.weight'] == 0.5).all()
    assert state['backbone.text.word_vectors.weight'].std() > 0.1  # its own, not the file's


def test_files_that_do_not_fit(tmp_path, keys):
    broken = tmp_path / 'broken.h5'
    broken.write_bytes(b'no HDF5')
    with pytest.raises(CheckpointError, match='Download it again'):
        read_published(broken)
    few = {'conv2d_1/kernel': [3, 3, 3, 32]}
    with pytest.raises(CheckpointError, match='none of the published'):
        read_published(save(tmp_path / 'few.h5', few))


def test_the_config_is_the_released_one():
    """Published sizes, and the L2 of the kernels as weight decay of Adam."""
    config = Config.fromfile(str(CONFIG))
    assert config.model.decode_head.num_queries == 16
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.type == 'Adam' and optimizer.weight_decay == 2 * 5e-4
    assert 8 * config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 128
    assert config.param_scheduler[0].milestones == [39, 44, 49]
