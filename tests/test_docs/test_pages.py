# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The blocks of README.md and docs/: Python runs, commands take the arguments that they are given.

sybil finds the blocks; what is done with them is written down in docs/contributing.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import runpy
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from magnet_mm.cli import main
from magnet_mm.datasets.annotations.jsonl_annotations import parse_line
from magnet_mm.refshapes import write_refshapes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [  # that have a block; docs/reference is generated
    page
    for page in [
        ROOT / 'README.md',
        ROOT / 'CONTRIBUTING.md',
        *sorted((ROOT / 'docs').rglob('*.md')),
    ]
    if 'reference' not in page.parts
    and re.search('```(python|bash|json)\n', page.read_text('utf-8'))
]
# Leading arguments of the launch scripts that are their own, and where config and checkpoint,
# which they pass on, stand among them.
LAUNCHERS = {
    'tools/dist_train.sh': (2, [0]),
    'tools/dist_test.sh': (3, [0, 1]),
    'tools/slurm_train.sh': (3, [2]),
    'tools/slurm_test.sh': (4, [2, 3]),
}
ASSIGNMENTS = re.compile(r'(?:\w+=\S* +)*')


class AcceptedError(Exception):
    """Raised in place of running a tool, once its parser has taken the arguments."""


def run_python(example: Example) -> None:
    """Run a block; one that is a file is written, and read as a config or imported."""
    code = str(example.parsed)
    name = re.match(r'# ([\w./+-]+\.py)\n', code)
    if name is None and not code.startswith('_base_'):
        if '.pth' in code:  # with the small model in place of the full-size one
            code = code.replace("'magnet_swinb_refcoco'", "'magnet_tiny_refshapes'")
        exec(compile(pad(code, example.line), example.path, 'exec'), example.namespace)
        return
    path = Path(name[1] if name else f'configs/block_at_line_{example.line}.py')
    assert not path.exists(), f'the block would replace {path}'
    path.write_text(code, encoding='utf-8')
    if path.parts[0] != 'configs':
        importlib.import_module(path.stem)
        return
    config = Config.fromfile(path)
    if 'tiny' in path.stem:
        MODELS.build(config.model)


def check_commands(example: Example) -> None:
    """Every command of ours in a bash block exists and takes its arguments."""
    for line in str(example.parsed).replace('\\\n', ' ').splitlines():
        words = shlex.split(line[ASSIGNMENTS.match(line).end() :], comments=True)
        check_command(words[: words.index('|')] if '|' in words else words)


def check_command(words: Sequence[str]) -> None:
    """Raise ``AssertionError`` where a command of ours would not start."""
    if words[:1] == ['make']:
        targets = re.findall(r'^([\w-]+):(?!=)', (ROOT / 'Makefile').read_text(), re.M)
        assert set(words[1:]) <= {*targets, *(word for word in words if '=' in word)}, words
    elif words[:1] == ['magnet-mm']:
        with accepting_arguments(words):
            main(list(words[1:]))
    elif words and words[0] in LAUNCHERS:
        count, passed_on = LAUNCHERS[words[0]]
        arguments = words[1:]
        assert len(arguments) >= count, f'{words[0]} needs {count} arguments of its own'
        tool = 'tools/train.py' if 'train' in words[0] else 'tools/test.py'
        check_tool([tool, *(arguments[index] for index in passed_on), *arguments[count:]])
    elif words[:1] == ['python'] and words[1].startswith(('tools/', 'docs/')):
        check_tool(words[1:])


def check_tool(words: Sequence[str]) -> None:
    """The tool exists, and so do the configs that it is given and the keys of its options."""
    tool = ROOT / words[0]
    configs = [ROOT / word for word in words[1:] if re.fullmatch(r'configs/[\w./+-]+\.py', word)]
    with accepting_arguments([str(tool), *words[1:]]), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tool.parent))
        runpy.run_path(str(tool), run_name='__main__')
    for config in configs:  # of a page's own blocks, too
        assert config.is_file() or Path(config.relative_to(ROOT)).is_file(), f'no {config.name}'
    if '--cfg-options' in words and configs:
        known = Config.fromfile(configs[0])
        for option in words[words.index('--cfg-options') + 1 :]:
            assert '=' not in option or option.split('=')[0].split('.')[0] in known, option


@contextlib.contextmanager
def accepting_arguments(argv: Sequence[str]) -> Iterator[None]:
    """The block must call ``parse_args`` with acceptable arguments; nothing after that runs."""
    parse_args = argparse.ArgumentParser.parse_args

    def stop_after_parsing(parser, *args, **kwargs):
        parser.allow_abbrev = False  # a page writes options in full
        parsed = parse_args(parser, *args, **kwargs)
        if any(action.nargs == argparse.REMAINDER for action in parser._actions):
            return parsed  # the rest goes to another parser
        raise AcceptedError

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(argparse.ArgumentParser, 'parse_args', stop_after_parsing)
        patch.setattr(sys, 'argv', list(argv))
        try:
            yield
        except AcceptedError:
            return
        except SystemExit as error:
            raise AssertionError(f'{" ".join(argv)}: {said.getvalue()}') from error
    raise AssertionError(f'{argv[0]} did not read its arguments with argparse')


def check_lines(example: Example) -> None:
    """JSON blocks are lines of annotations."""
    for line in str(example.parsed).splitlines():
        parse_line(line, example.path)


SYBIL = Sybil(
    [
        CodeBlockParser('python', run_python),
        CodeBlockParser('bash', check_commands),
        CodeBlockParser('json', check_lines),
        SkipParser(),
    ]
)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory, random_weights, model_in_box) -> Path:
    """A directory like a checkout after ``make demo``: small RefShapes data, random weights."""
    root = tmp_path_factory.mktemp('checkout')
    for name in ('docs', 'tools'):
        (root / name).symlink_to(ROOT / name)
    (root / 'configs').mkdir()  # a real directory: the blocks' own configs are written into it
    for path in (ROOT / 'configs').iterdir():
        (root / 'configs' / path.name).symlink_to(path)
    write_refshapes(root / 'data/refshapes', 0, dict(train=8, val=4, testA=2, testB=2))
    (root / 'work_dirs/demo').mkdir(parents=True)
    for name in ('work_dirs/demo/best_oIoU_epoch_5.pth', 'magnet_swinb_refcoco.pth'):
        (root / name).symlink_to(random_weights)
    init_default_scope('mmseg')
    lavt = MODELS.build(Config.fromfile(ROOT / 'configs/lavt_tiny_refshapes.py').model)
    torch.save(dict(state_dict=lavt.state_dict(), meta={}), root / 'lavt_tiny.pth')
    Image.linear_gradient('L').resize((96, 64)).convert('RGB').save(root / 'photo.jpg')
    return root


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, checkout, monkeypatch):
    """Its blocks run one after the other, in one namespace with a batch for the small models."""
    monkeypatch.chdir(checkout)
    monkeypatch.syspath_prepend(str(checkout))
    generator = torch.Generator().manual_seed(0)
    init_default_scope('mmseg')
    document = SYBIL.parse(page)
    document.namespace.update(
        images=torch.randn(2, 3, 80, 80, generator=generator),
        input_ids=torch.randint(5, 50, (2, 20), generator=generator),
        attention_mask=torch.ones(2, 20, dtype=torch.int64),
    )
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize(
    'command',
    [
        'python tools/train.py configs/magnet_tiny_refshapes.py --epochs 3',
        'python tools/train.py',
        'python tools/train.py configs/magnet_tiny.py',
        'tools/dist_train.sh configs/magnet_tiny_refshapes.py 8 --resum',
        'magnet-mm infer --wights x',
        'make dmeo',
        'python tools/train.py configs/magnet_tiny_refshapes.py --cfg-options train_config.a=1',
    ],
)
def test_mistakes_are_found(command):
    with pytest.raises(AssertionError):
        check_command(shlex.split(command))
