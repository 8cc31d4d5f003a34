# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Half-finished downloads, wrong folders, malicious pickles."""

import os
import pickle
import shutil
import zipfile

import pytest

from magnet_mm.data_tools.checking.published import SplitCounts

IMAGES = 'images/mscoco/images/train2014'


class Malicious:
    def __reduce__(self):
        return os.system, ('touch pwned',)


def test_pickle_with_foreign_globals_is_reported_and_not_run(root, problems, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (root / 'refshapes' / 'refs(unc).p').write_bytes(pickle.dumps([Malicious()], 2))
    found, result = problems(root)
    [(problem, level)] = found.items()
    assert 'system"' in problem and 'nothing of it was run' in problem
    assert level == ('error', 1) and not (tmp_path / 'pwned').exists()
    assert result.images == {'refshapes': (26, 26)}  # the rest is checked all the same


@pytest.mark.parametrize(
    ('name', 'content', 'problem'),
    [
        ('instances.json', None, 'the JSON breaks off after 20,000 bytes: the download did not '),
        ('instances.json', b'', 'the file is empty: the download did not finish.'),
        ('instances.json', bytes(100), 'the file is filled with zeros'),
        ('instances.json', b'<!DOCTYPE html><html>', 'this is a web page'),
        ('instances.json', b'PK\x03\x04....', 'this is a zip archive'),
        ('instances.json', b'version https://git-lfs.github.com/spec/v1', 'this is a git-lfs'),
        ('instances.json', b'[' * 200_000, 'the JSON breaks off'),
        ('refs(unc).p', None, 'not a complete pickle'),
        ('refs(unc).p', b'<html>', 'this is a web page'),
        ('refs(unc).p', b'', 'the file is empty'),
        ('refs(unc).p', pickle.dumps({}, 2), 'expected a list of refs, found dict.'),
    ],
)
def test_half_downloads(root, problems, name, content, problem):
    path = root / 'refshapes' / name
    path.write_bytes(path.read_bytes()[:20_000] if content is None else content)
    found, result = problems(root)
    assert not result.ok
    [text] = [text for text, (level, _) in found.items() if level == 'error']
    assert text.startswith(problem)


def test_truncated_zip(tmp_path, root, problems):
    whole = tmp_path / 'whole.zip'
    with zipfile.ZipFile(whole, 'w') as archive:
        archive.writestr('refcoco/instances.json', os.urandom(5000))
    data = whole.read_bytes()
    (root / 'refcoco.zip').write_bytes(data[:3000])
    found, result = problems(root)
    assert found == {'the archive breaks off after 3,000 bytes.': ('error', 1)}
    advice = next(iter(result.findings)).advice
    assert 'lichengunc/refer' in advice and 'refcoco.zip' in advice

    (root / 'refcoco.zip').write_bytes(data)
    found, result = problems(root)
    assert found == {'the archive was not unpacked.': ('error', 1)}
    assert next(iter(result.findings)).advice == f"unzip '{root / 'refcoco.zip'}' -d '{root}'"

    damaged = bytearray(data)
    damaged[2000] ^= 255
    (root / 'refcoco.zip').write_bytes(damaged)
    found, _ = problems(root)
    assert found == {'its member refcoco/instances.json is damaged.': ('error', 1)}

    (root / 'refcoco.zip').write_text('<html>404</html>')
    found, _ = problems(root)
    [problem] = found
    assert problem.startswith('this is a web page')


def test_unfinished_download_beside_sound_data(root, problems):
    (root / 'refshapes' / 'refs(umd).p.part').write_bytes(b'x')
    found, result = problems(root)
    assert found == {'an unfinished download.': ('warning', 1)} and result.ok


def test_wrong_folders_name_the_right_one(root, problems, tmp_path):
    advice = {}
    for folder in (tmp_path, root / 'refshapes', root / IMAGES):
        found, result = problems(folder)
        assert not result.ok and list(found.values()) == [('error', 1)]
        advice[folder] = next(iter(result.findings)).advice
    for folder in advice:
        assert f'magnet-mm check-data {root} ' in advice[folder], folder
    empty = tmp_path / 'empty'
    empty.mkdir()
    _, result = problems(empty)
    assert 'https://github.com/lichengunc/refer' in next(iter(result.findings)).advice
    for wrong in (tmp_path / 'absent', root / 'refshapes' / 'instances.json'):
        found, result = problems(wrong)
        assert not result.ok and len(found) == 1


def test_missing_files(root, problems):
    shutil.rmtree(root / 'images')
    found, _ = problems(root)
    assert list(found.values()) == [('error', 1)] and 'no image folder' in next(iter(found))
    nested = root / 'refshapes' / 'refshapes'
    nested.mkdir()
    for path in (root / 'refshapes').glob('*.json'):
        path.rename(nested / path.name)
    found, result = problems(root)
    assert found['the file is missing.'] == ('error', 1)
    [advice] = [one.advice for one in result.findings if one.where == 'refshapes/instances.json']
    assert advice == f'Move the files of {nested} up.'


def test_folder_name_of_other_projects(root, problems):
    (root / 'refshapes').rename(root / 'refcocoplus')
    found, result = problems(root)
    assert found['the folder is called refcocoplus; the configs look for refcoco+.'][0] == 'error'
    [file] = result.refs_files
    assert file.published['val'] == SplitCounts(3805, 1500)
    assert any(problem.startswith('split val has ') for problem in found)
