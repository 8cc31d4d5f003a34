# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The blocks of README.md and docs/, and a checkout in miniature where they can run.

What a page has to do is written down in docs/contributing.md, "Documentation".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted(
        page
        for page in (ROOT / 'docs').rglob('*.md')
        if not any(part.startswith('_') for part in page.relative_to(ROOT).parts)
    ),
]
LANGUAGES = {'bash': 'bash', 'sh': 'bash', 'shell': 'bash', 'python': 'python', 'py': 'python'}
SHARED = ('CHANGELOG.md', 'Makefile', 'README.md', 'docs', 'magnet_mm', 'requirements', 'tools')
CHECKPOINT = 'work_dirs/demo/best_oIoU_epoch_3.pth'  # where `make demo` leaves its best weights


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: path of the page inside the repository.
        line: line number of the fence.
        language: ``bash``, ``python``, another one, or ``''``.
        code: its text.
        comments: HTML comments between the previous paragraph and the block, by their first word:
            ``not run`` (the reason), ``setup`` (Python before the block), ``run`` (run the bash).
    """

    page: str
    line: int
    language: str
    code: str
    comments: dict[str, str]

    @property
    def skipped(self) -> bool:
        """Whether the page gives a reason not to check the block."""
        return bool(self.comments.get('not run'))

    @property
    def file(self) -> str | None:
        """The file that a first line like ``# configs/mine.py`` says the block is."""
        name = re.match(r'# ([\w./+-]+\.py)\n', self.code)
        return name[1] if name else None

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def read_blocks(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text; fences may be indented (lists)."""
    comments: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = re.match(r'^(\s*)(`{3,}|~{3,})\s*([\w-]*)', line)
        if fence is None:
            if line.lstrip().startswith('<!--'):
                comment = line
                while '-->' not in comment:
                    comment += '\n' + next(lines)[1]
                inside = re.sub(r'^\s*<!--\s?|\s*-->\s*$', '', comment)
                key, _, value = inside.partition(':')
                comments[key.strip()] = value.strip(' ')
            elif line.strip():
                comments = {}
            continue
        indent, mark, language = fence.groups()
        code = []
        for _, inner in lines:
            if inner.strip().startswith(mark) and not inner.strip().strip(mark[0]):
                break
            code.append(inner.removeprefix(indent))
        language = LANGUAGES.get(language, language)
        yield Block(page, number, language, '\n'.join(code) + '\n', comments)
        comments = {}


def _all_blocks() -> list[Block]:
    return [
        block
        for page in PAGES
        for block in read_blocks(page.read_text(encoding='utf-8'), str(page.relative_to(ROOT)))
    ]


BLOCKS = _all_blocks()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with ``bash_block`` runs for every such block, one with ``python_page`` per page."""
    if 'bash_block' in metafunc.fixturenames:
        blocks = [block for block in BLOCKS if block.language == 'bash' and not block.skipped]
        metafunc.parametrize('bash_block', blocks, ids=str)
    if 'real_bash_block' in metafunc.fixturenames:
        blocks = [block for block in BLOCKS if block.language == 'bash' and 'run' in block.comments]
        metafunc.parametrize('real_bash_block', blocks, ids=str)
    if 'python_page' in metafunc.fixturenames:
        pages: dict[str, list[Block]] = {}
        for block in BLOCKS:
            if block.language == 'python' and not block.skipped:
                pages.setdefault(block.page, []).append(block)
        metafunc.parametrize('python_page', list(pages.values()), ids=list(pages))


@pytest.fixture(scope='session')
def blocks() -> list[Block]:
    """Every fenced block."""
    return BLOCKS


@pytest.fixture(scope='session')
def markdown_blocks() -> Callable[[str], list[Block]]:
    """Reads the blocks of a text."""
    return lambda text: list(read_blocks(text, 'page.md'))


@pytest.fixture(scope='session')
def checkout(tmp_path_factory) -> Path:
    """A directory like a checkout after ``make demo``: small RefShapes data, random weights."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import magnet_mm  # noqa: F401  (registers the components)
    from magnet_mm.refshapes import write_refshapes

    root = tmp_path_factory.mktemp('checkout')
    for name in SHARED:
        (root / name).symlink_to(ROOT / name)
    (root / 'configs').mkdir()  # a real directory: the blocks' own configs are written into it
    for path in (ROOT / 'configs').iterdir():
        (root / 'configs' / path.name).symlink_to(path)
    write_refshapes(root / 'data/refshapes', 0, dict(train=8, val=4, testA=2, testB=2))

    init_default_scope('mmseg')
    for path in sorted((ROOT / 'configs').glob('*_tiny_refshapes.py')):
        torch.manual_seed(0)
        model = MODELS.build(Config.fromfile(str(path)).model)
        weights = dict(state_dict=model.state_dict(), meta={})
        torch.save(weights, root / f'{path.name.split("_tiny_")[0]}.weights')
    (root / CHECKPOINT).parent.mkdir(parents=True)
    (root / CHECKPOINT).symlink_to(root / 'magnet.weights')
    return root


@pytest.fixture
def make_placeholders(checkout) -> Callable[[str], None]:
    """Creates the images and checkpoints that a text names and that are not there."""

    def make(code: str) -> None:
        for name in re.findall(r'[\w./+-]+\.(?:pth|jpg|jpeg|png)\b', code):
            path = checkout / name
            if name.startswith('/') or '//' in name or path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == '.pth':  # of the method that the name mentions
                methods = [one.stem for one in checkout.glob('*.weights') if one.stem in path.name]
                path.symlink_to(checkout / f'{[*methods, "magnet"][0]}.weights')
            else:
                Image.linear_gradient('L').resize((96, 64)).convert('RGB').save(path)

    return make
