# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Configs are found by path and by name."""

import shutil
from pathlib import Path

import pytest

from magnet_mm.apis import config_files, find_config, shipped_configs
from magnet_mm.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def test_every_shipped_config_is_found_by_name():
    assert set(shipped_configs()) == {path.stem for path in CONFIGS.glob('*.py')}
    for name, path in shipped_configs().items():
        assert find_config(name) == find_config(f'{name}.py') == path


def test_from_another_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = CONFIGS / 'magnet_swinb_refcoco.py'
    assert find_config('magnet_swinb_refcoco') == expected
    assert find_config('configs/magnet_swinb_refcoco.py') == expected
    own = tmp_path / 'own.py'
    own.write_text('')
    assert find_config('own.py') == Path('own.py') and find_config(own) == own


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('magnet_swin_refcoco', 'Did you mean magnet_swinb_refcoco'),
        ('lavt_tiny_refshape', 'Did you mean lavt_tiny_refshapes'),
        ('/elsewhere/magnet_swinb_refcoco.py', 'Did you mean magnet_swinb_refcoco'),
        ('qqqq', 'Shipped: caris'),
    ],
)
def test_near_matches_are_listed(name, message):
    with pytest.raises(ConfigError, match=message):
        find_config(name)


def test_installed_without_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages/magnet_mm'
    monkeypatch.setattr(config_files, '_PACKAGE', package)
    with pytest.raises(ConfigError, match='neither beside'):
        shipped_configs()
    shutil.copytree(CONFIGS, package / '.mim/configs')
    assert find_config('magnet_mixed'.replace('_', '_swinb_')).is_relative_to(package)
