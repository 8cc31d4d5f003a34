# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO by its published numbers: counts, overlaps, and how long the check takes."""

import shutil
import time

import pytest

from magnet_mm.data_tools.checking import check_root
from magnet_mm.data_tools.checking.imitation import write_imitation
from magnet_mm.data_tools.checking.published import PUBLISHED
from magnet_mm.errors import DataError


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp('imitation') / 'refer'
    assert write_imitation(root, share=0.01) == 1206 + 108 + 57 + 51
    return root


def test_a_part_of_refcoco_is_recognised_as_such(small, problems):
    found, result = problems(small, images=True)
    assert result.expressions == 1422 and result.decoded == 170 + 15 + 8 + 8
    assert not result.ok
    problem = 'split train has 424 refs instead of 42,404, 170 images instead of 16,994, '
    assert f'{problem}1,206 expressions instead of 120,624.' in found
    assert sum(level == 'error' for level, _ in found.values()) == 4
    assert found['the file is missing.'] == ('note', 1)  # refs(google).p


def test_train_and_test_images_of_two_datasets(small, problems, tmp_path):
    """RefCOCO's train and testA change places in a second dataset."""
    root = tmp_path / 'refer'
    shutil.copytree(small, root)
    shutil.copytree(root / 'refcoco', root / 'refcocog')
    path = root / 'refcocog' / 'refs(unc).p'
    text = path.read_bytes()
    swapped = text.replace(b'X\x05\x00\x00\x00train', b'X\x05\x00\x00\x00TRAIN')
    swapped = swapped.replace(b'X\x05\x00\x00\x00testA', b'X\x05\x00\x00\x00train')
    path.with_name('refs(umd).p').write_bytes(
        swapped.replace(b'X\x05\x00\x00\x00TRAIN', b'X\x05\x00\x00\x00testA')
    )
    path.unlink()
    found, result = problems(root)
    overlaps = {(one.train, one.held_out, one.split): one.shared for one in result.overlaps}
    assert overlaps == {
        ('refcoco (unc)', 'refcocog (umd)', 'testA'): 170,
        ('refcocog (umd)', 'refcoco (unc)', 'testA'): 8,
    }
    problem = 'training on one dataset and testing on another would test on training images.'
    assert found[problem] == ('note', 1)


def test_images_in_train_and_val_of_one_file_are_an_error(small, problems, tmp_path):
    root = tmp_path / 'refer'
    shutil.copytree(small, root)
    path = root / 'refcoco' / 'refs(unc).p'
    data = path.read_bytes()
    # one image of train is used by testB's refs, too
    import pickle

    refs = pickle.loads(data)
    first = next(ref for ref in refs if ref['split'] == 'train')
    first['split'] = 'testB'
    path.write_bytes(pickle.dumps(refs, 2))
    found, result = problems(root)
    assert found['1 images are in train and in testB.'] == ('error', 1) and not result.ok


def test_arguments(tmp_path, small):
    with pytest.raises(DataError, match='is not overwritten'):
        write_imitation(small)
    with pytest.raises(DataError, match=r'in \(0, 1\]'):
        write_imitation(tmp_path / 'new', share=0)


@pytest.mark.faults
def test_the_whole_of_refcoco(tmp_path):
    """142,210 expressions; the time is printed, and written down in docs/data.md."""
    root = tmp_path / 'refer'
    assert write_imitation(root) == 142_210
    start = time.process_time()
    result = check_root(root)
    cpu = time.process_time() - start
    print(f'\n142,210 expressions checked in {result.seconds:.1f} s ({cpu:.1f} s of CPU time)')
    assert result.ok and result.expressions == 142_210
    [file] = result.refs_files
    assert {name: split.counts for name, split in file.splits.items()} == PUBLISHED[
        'refcoco', 'unc'
    ]
    assert cpu < 120  # loose: ours took about a sixth
