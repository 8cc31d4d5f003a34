# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The pages of the methods and the metafiles say the same, about configs that exist."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def pages() -> str:
    return '\n'.join(path.read_text() for path in sorted(ROOT.glob('docs/methods/*.md')))


def models():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    for name in index['Import']:
        yield from yaml.safe_load((ROOT / name).read_text())['Models']


def test_every_metafile_is_imported():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob('configs/metafiles/*.yml')}
    assert set(index['Import']) == files


def test_configs_exist_and_have_pages():
    listed = {model['Config'] for model in models()}
    assert all((ROOT / config).is_file() for config in listed)
    pages_of = {Path(config).stem.split('_')[0].split('-')[0] for config in listed}
    assert all((ROOT / f'docs/methods/{name}.md').is_file() for name in pages_of)


def test_page_and_metafiles_agree():
    """Rows of the pages: | data set | split | `config` | oIoU, mIoU or both | measured ... |."""
    page = {}
    for line in pages().splitlines():
        row = re.match(r'\| (.+?) \| (val|test\w?) \| `(.+?)` \|(.+)\|$', line)
        if row:
            cells = [cell.strip() for cell in row[4].split('|')]
            half = len(cells) // 2
            assert not any(cells[half:]), 'a measured number belongs into the metafile too'
            page[row[3], f'{row[1]} {row[2]}'] = [float(c) for c in cells[:half] if c]
    metafiles = {}
    for model in models():
        for result in model['Results']:
            metrics = result['Metrics']
            published = [metrics[f'{m} (published)'] for m in ('oIoU', 'mIoU')
                         if f'{m} (published)' in metrics]  # fmt: skip
            measured = [v for name, v in metrics.items() if name.endswith('(measured)')]
            assert measured == [None] * len(published)
            metafiles[Path(model['Config']).name, result['Dataset']] = published
    assert len(page) > 30
    assert page == metafiles


def test_precisions_agree():
    """Rows of the pages: | `config` | P@0.5/0.6/0.7/0.8/0.9 |."""
    page = {
        name: [float(value) for value in values.split('/')]
        for name, values in re.findall(r'^\| `(\S+)` \| ([\d./]+) \|$', pages(), re.MULTILINE)
    }
    metafiles = {}
    for model in models():
        for result in model['Results']:
            values = [v for name, v in result['Metrics'].items() if name.startswith('P@')]
            if values:
                metafiles[Path(model['Config']).name] = values
    assert len(page) == 3 + 6
    assert page == metafiles
