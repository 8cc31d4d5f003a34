# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The index names every page and no other."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / 'docs'


@pytest.fixture
def fit_toctrees():
    spec = importlib.util.spec_from_file_location('page_list', DOCS / '_ext/page_list.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fit_toctrees


def test_absent_pages_are_dropped_and_others_listed(fit_toctrees):
    text = (
        'Text.\n```{toctree}\n:glob:\n\nstart\ndata*\ntutorials/*\n```\n'
        '```{toctree}\nfaq\n{{other_pages}}\n```\n'
    )
    pages = ['start', 'tutorials/one', 'new', 'faq', 'reference/index']
    assert fit_toctrees(text, pages) == (
        'Text.\n```{toctree}\n:glob:\n\nstart\ntutorials/*\n```\n```{toctree}\nfaq\nnew\n```\n'
    )


def test_every_page_is_on_the_index(fit_toctrees):
    pages = {
        str(path.relative_to(DOCS).with_suffix(''))
        for path in DOCS.rglob('*.md')
        if not path.relative_to(DOCS).parts[0].startswith('_')
    } - {'index'}
    fitted = fit_toctrees((DOCS / 'index.md').read_text(encoding='utf-8'), pages)
    assert '{{other_pages}}' not in fitted
    for page in ('getting_started', 'export', 'faq', 'model_zoo'):
        assert f'\n{page}\n' in fitted
