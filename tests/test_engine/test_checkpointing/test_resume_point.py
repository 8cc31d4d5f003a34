# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Damaged files are recognised; the checkpoint to resume from is the newest intact one."""

import random
import zipfile

import pytest
import torch

from magnet_mm.engine.checkpointing.resume_point import (
    archive_damage,
    find_resume_point,
    training_state,
)
from magnet_mm.errors import CheckpointError

MESSAGE_HUB = dict(log_scalars={}, runtime_info={}, resumed_keys={})


def save(path, epoch, time, **changes):
    generator = torch.Generator().manual_seed(epoch)
    checkpoint = dict(
        meta=dict(epoch=epoch, iter=10 * epoch, time=time),
        state_dict=dict(weight=torch.randn(50, generator=generator)),
        optimizer=dict(state={}, param_groups=[]),
        message_hub=MESSAGE_HUB,
    )
    torch.save({**checkpoint, **changes}, path)
    return str(path)


def test_intact_file(tmp_path):
    path = save(tmp_path / 'a.pth', 3, '20260101_000000')
    assert archive_damage(path) is None
    assert training_state(path)['meta']['epoch'] == 3


def test_any_flipped_bit_is_found_or_changes_nothing(tmp_path):
    path = tmp_path / 'a.pth'
    save(path, 3, '20260101_000000')
    content, weight = path.read_bytes(), training_state(path)['state_dict']['weight'].clone()
    bits, found = random.Random(0), 0
    for _ in range(400):
        position, bit = bits.randrange(len(content)), bits.randrange(8)
        flipped = bytearray(content)
        flipped[position] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            checkpoint = training_state(path)
        except CheckpointError:
            found += 1
        else:  # padding, or a field of the archive that is not read
            assert torch.equal(checkpoint['state_dict']['weight'], weight)
            assert checkpoint['meta']['epoch'] == 3
    print(f'{found} of 400 flipped bits found, the others changed nothing')
    assert found > 100


@pytest.mark.parametrize('share', [0, 0.01, 0.5, 0.9, 0.999])
def test_any_cut_is_found(tmp_path, share):
    path = tmp_path / 'a.pth'
    save(path, 3, '20260101_000000')
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert archive_damage(path) is not None
    with pytest.raises(CheckpointError):
        training_state(path)


def test_compressed_file_is_refused(tmp_path):
    """It could expand without end."""
    with zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('bomb/data.pkl', bytes(10_000_000))
    assert 'is compressed' in archive_damage(tmp_path / 'bomb.pth')


def test_old_format_is_left_to_torch(tmp_path):
    torch.save(dict(a=torch.ones(1)), tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    assert archive_damage(tmp_path / 'a.pth') is None


def test_nothing_to_resume_from(tmp_path):
    point = find_resume_point(tmp_path)
    assert (point.path, point.refused) == (None, {})


def test_the_named_checkpoint_is_taken(tmp_path):
    first = save(tmp_path / 'epoch_1.pth', 1, '20260101_000000')
    save(tmp_path / 'epoch_40.pth', 40, '20250101_000000')  # of another run
    (tmp_path / 'last_checkpoint').write_text(first + '\n')
    assert find_resume_point(tmp_path).path == first
    (tmp_path / 'last_checkpoint').write_text('s3://bucket/epoch_1.pth')
    assert find_resume_point(tmp_path).path == 's3://bucket/epoch_1.pth'


def test_else_the_one_saved_last_that_can_be_resumed(tmp_path):
    named = save(tmp_path / 'epoch_3.pth', 3, '20260101_000003')
    second = save(tmp_path / 'epoch_2.pth', 2, '20260101_000002')
    save(tmp_path / 'epoch_1.pth', 1, '20260101_000001')
    save(tmp_path / 'epoch_40.pth', 40, '20250101_000000')  # of another run
    save(tmp_path / 'best_oIoU_epoch_3.pth', 3, '20260101_000004')
    torch.save(dict(state_dict={}, meta={}), tmp_path / 'weights.pth')
    (tmp_path / 'last_checkpoint').write_text(named)
    (tmp_path / 'epoch_3.pth').write_bytes(b'')
    point = find_resume_point(tmp_path)
    assert point.path == second
    assert point.refused[named] == 'it is empty'
    assert 'lacks optimizer, message_hub' in point.refused[str(tmp_path / 'weights.pth')]


@pytest.mark.parametrize(('text', 'reason'), [('', 'it is empty'), ('gone.pth', 'not there')])
def test_pointer_to_nothing(tmp_path, text, reason):
    only = save(tmp_path / 'epoch_1.pth', 1, '20260101_000000')
    (tmp_path / 'last_checkpoint').write_text(text)
    point = find_resume_point(tmp_path)
    assert point.path == only
    assert reason in point.refused[str(tmp_path / 'last_checkpoint')]
