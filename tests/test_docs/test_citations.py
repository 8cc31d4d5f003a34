# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the code cites stands in the repository, and so does what the pages of the methods name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ('magnet_mm', 'configs', 'tools', 'tests')
METHOD_PAGES = sorted((ROOT / 'docs/methods').glob('*.md'))


def test_cited_pages_exist():
    """Code cites pages by their path, and no page that readers do not have."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob('*.py'):
            text = path.read_text(encoding='utf-8')
            # After a quote or a slash stands a file name of a program, not a citation.
            for page in re.findall(r"(?<![\w/'}])(?:docs/[\w/+-]+|[a-z_]+)\.md\b", text):
                assert (ROOT / page).is_file(), f'{path.relative_to(ROOT)} cites {page}'


@pytest.mark.parametrize('page', METHOD_PAGES, ids=lambda page: page.stem)
def test_parts_of_a_method_are_where_its_page_says(page):
    """Rows of the page: | part | `Class` | `file` | `test` |."""
    rows = re.findall(
        r'^\|[^|]+\| `(\w+)` \| `(\S+\.py)` \| `(\S+\.py)` \|$', page.read_text(), re.M
    )
    assert len(rows) >= 5
    for name, file, test in rows:
        tree = ast.parse((ROOT / file).read_text(encoding='utf-8'))
        defined = {node.name for node in tree.body if hasattr(node, 'name')}
        defined |= {
            t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets
        }
        assert name in defined, f'{page.name}: {file} has no {name}'
        assert (ROOT / test).is_file(), f'{page.name}: {test}'


def test_every_idea_is_where_one_guesses():
    """Rows of the table in CONTRIBUTING.md: | idea | `file` |."""
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    files = re.findall(r'^\| [^|`]+ \| `(magnet_mm/\S+\.py)` \|$', text, re.M)
    assert len(files) >= 20
    assert [name for name in files if not (ROOT / name).is_file()] == []
