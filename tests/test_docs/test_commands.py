# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every command of the pages exists and takes the arguments that the pages give it."""

from __future__ import annotations

import argparse
import contextlib
import glob
import importlib
import io
import os
import re
import runpy
import shlex
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Leading arguments of the launch scripts that are their own: how many, and where the config and
# the checkpoint, which they pass on, stand among them.
LAUNCHERS = {
    'dist_train.sh': (2, [0]),
    'dist_test.sh': (3, [0, 1]),
    'slurm_train.sh': (3, [2]),
    'slurm_test.sh': (4, [2, 3]),
}
# Programs of other people; what they are given is not checked, but for paths of the repository.
OTHERS = set(
    'cat cd chmod conda cp curl docker du echo export find git head huggingface-cli kill ln ls mim '
    'mkdir mv nproc nvidia-smi pip pre-commit printf pytest rm ruff sed source sphinx-build tail '
    'tar tee tensorboard torchrun touch tree unzip wandb wc wget which zip'.split()
)
OUR_FOLDERS = ('configs', 'docs', 'magnet_mm', 'requirements', 'tests', 'tools')


class Accepted(BaseException):
    """Raised in place of running a tool, once its parser has taken the arguments."""


def test_commands_exist_and_take_their_arguments(bash_block, blocks):
    files = {block.file for block in blocks if block.page == bash_block.page}
    problems = []
    for command in simple_commands(bash_block.code):
        try:
            check_command(command, files)
        except AssertionError as error:
            problems.append(f'{bash_block}: `{shlex.join(command)}`: {error}')
    assert not problems, '\n'.join(problems)


@pytest.mark.parametrize(
    ('command', 'complaint'),
    [
        ('python tools/train.py configs/magnet_tiny_refshapes.py --epochs 3', 'unrecognized'),
        ('python tools/train.py', 'required: config'),
        ('python tools/tarin.py configs/magnet_tiny_refshapes.py', 'tools/tarin.py'),
        ('python tools/train.py configs/magnet_tiny.py', 'configs/magnet_tiny.py'),
        ('tools/dist_train.sh configs/magnet_tiny_refshapes.py 8 --resum', 'unrecognized'),
        ('tools/dist_train.sh configs/magnet_tiny_refshapes.py', 'needs 2'),
        ('make dmeo', 'no target'),
        ('sudo rm file', 'not known'),
        ('pip install -r requirements/all.txt', 'requirements/all.txt'),
        (
            'python tools/train.py configs/magnet_tiny_refshapes.py '
            '--cfg-options train_config.max_epochs=1',
            'train_config',
        ),
    ],
)
def test_mistakes_are_found(command, complaint):
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        check_command(shlex.split(command))


def test_simple_commands():
    code = (
        '# a comment\nmake test PY="$(a "b (c); d")"\ncd x && A=1 B="2 3" make lint | tee log\n'
        'python tools/train.py \\\n  CONFIG --resume   # goes on\n'
        'printf "a\nb"\nfor i in 1 2; do\n  ls $i\ndone\n'
    )
    assert list(simple_commands(code)) == [
        ['make', 'test', 'PY=VALUE'],
        ['cd', 'x'],
        ['make', 'lint'],
        ['tee', 'log'],
        ['python', 'tools/train.py', 'CONFIG', '--resume'],
        ['printf', 'a\nb'],
        ['ls', '$i'],
    ]


def simple_commands(code: str) -> Iterator[list[str]]:
    """The commands of a script, without assignments, redirections and control words."""
    code = re.sub(r'\\\n', ' ', code)
    code = without_substitutions(code)
    line = ''
    for part in code.splitlines():
        line = f'{line}\n{part}' if line else part
        try:
            tokens = _tokens(line)
        except ValueError:  # a quotation that goes on in the next line
            continue
        line = ''
        command: list[str] = []
        for token in [*tokens, ';']:
            if set(token) <= set('();|&'):
                yield from _without_prefix(command)
                command = []
            else:
                command.append(token)


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars='();<>|&')
    lexer.whitespace_split = True
    return list(lexer)


def without_substitutions(code: str) -> str:
    """The script with every ``$(command)`` replaced by a word."""
    while (start := code.find('$(')) >= 0:
        end, depth = start + 2, 1
        while depth and end < len(code):
            depth += {'(': 1, ')': -1}.get(code[end], 0)
            end += 1
        code = code[:start] + 'VALUE' + code[end:]
    return code


def _without_prefix(command: list[str]) -> Iterator[list[str]]:
    if '>' in command or '<' in command or '>>' in command:
        first = min(command.index(mark) for mark in ('<', '>', '>>') if mark in command)
        command = command[:first]
    while command and (
        re.match(r'^[A-Za-z_]\w*=', command[0])
        or command[0] in ('do', 'then', 'else', 'if', 'while', 'time', 'nohup', 'env')
    ):
        command = command[1:]
    if command and command[0] not in ('for', 'done', 'fi'):
        yield command


def check_command(command: Sequence[str], files: Collection[str] = ()) -> None:
    """Raise ``AssertionError`` where a command would not start.

    Args:
        command: the program and its arguments.
        files: files that are not in the repository because the page's blocks write them.
    """
    program, *arguments = command
    check_paths([token for token in command if token not in files])
    name = os.path.basename(program)
    if name in ('python', 'python3') or program.endswith('/python'):
        check_python(arguments)
    elif name == 'magnet-mm':
        check_magnet_mm(arguments)
    elif name in LAUNCHERS:
        count, passed_on = LAUNCHERS[name]
        assert os.access(ROOT / program, os.X_OK), f'{program} is not executable'
        assert len(arguments) >= count, f'{name} needs {count} arguments of its own'
        tool = 'tools/train.py' if 'train' in name else 'tools/test.py'
        check_tool(tool, [*(arguments[index] for index in passed_on), *arguments[count:]])
    elif name == 'make':
        check_make(arguments)
    elif program.startswith(('tools/', './tools/')):
        assert os.access(ROOT / program, os.X_OK), f'{program} is not executable'
    else:
        assert name in OTHERS, f'{program} is not known to tests/test_docs/test_commands.py'


def check_paths(command: Sequence[str]) -> None:
    """What is named inside the repository's folders has to be there."""
    for token in command:
        path = token.removeprefix('./')
        if path.split('/')[0] in OUR_FOLDERS and '/' in path and not re.search(r'[$<]', path):
            # An output may be new, but only configs, tools and tests are never outputs.
            inside = path.split('::')[0].split('=')[0]
            found = any(glob.glob(str(ROOT / one)) for one in expand_braces(inside))
            assert found, f'there is no {inside}'


def expand_braces(path: str) -> list[str]:
    """``a{b,c}`` to ``ab`` and ``ac``."""
    match = re.search(r'\{([^{}]*)\}', path)
    if match is None:
        return [path]
    before, after = path[: match.start()], path[match.end() :]
    return [one for choice in match[1].split(',') for one in expand_braces(before + choice + after)]


def check_python(arguments: Sequence[str]) -> None:
    """``python FILE ...``, ``python -m MODULE ...`` or ``python -c CODE``."""
    if arguments[:1] == ['-m']:
        module = arguments[1]
        if module in ('magnet_mm', 'magnet_mm.cli'):
            check_magnet_mm(arguments[2:])
        elif module not in ('build', 'http.server', 'pip', 'pytest', 'ruff', 'sphinx', 'venv'):
            assert importlib.util.find_spec(module) is not None, f'there is no module {module}'
    elif arguments[:1] == ['-c']:
        compile(arguments[1], '-c', 'exec')
    elif arguments and arguments[0].endswith('.py'):
        if arguments[0].removeprefix('./').split('/')[0] in OUR_FOLDERS:
            check_tool(arguments[0], arguments[1:])
    else:
        assert arguments in (['--version'], ['-V']), f'python {arguments} is not understood'


def check_make(arguments: Sequence[str]) -> None:
    """The targets have to be in the Makefile."""
    rules = re.findall(r'^([\w.-]+(?: [\w.-]+)*):(?!=)', (ROOT / 'Makefile').read_text(), re.M)
    known = {target for rule in rules for target in rule.split()}
    for argument in arguments:
        if '=' not in argument and not argument.startswith('-'):
            assert argument in known, f'the Makefile has no target {argument}'


def check_tool(path: str, arguments: Sequence[str]) -> None:
    """Run a tool up to the point where its parser has taken the arguments."""
    tool = ROOT / path
    assert tool.is_file(), f'there is no {path}'
    with accepting_arguments([str(tool), *arguments]):
        sys.path.insert(0, str(tool.parent))
        try:
            runpy.run_path(str(tool), run_name='__main__')
        finally:
            sys.path.remove(str(tool.parent))
    check_cfg_options(arguments)


def check_magnet_mm(arguments: Sequence[str]) -> None:
    """The same for a command of the console script."""
    from magnet_mm.cli import main

    with accepting_arguments(['magnet-mm', *arguments]):
        main(list(arguments))
    check_cfg_options(arguments)


@contextlib.contextmanager
def accepting_arguments(argv: Sequence[str]) -> Iterator[None]:
    """The block must call ``parse_args`` with acceptable arguments; nothing after that runs."""
    parse_args = argparse.ArgumentParser.parse_args

    def stop_after_parsing(parser, *args, **kwargs):
        parser.allow_abbrev = False  # a page writes options in full
        parsed = parse_args(parser, *args, **kwargs)
        if any(action.nargs == argparse.REMAINDER for action in parser._actions):
            return parsed  # the rest goes to another parser
        raise Accepted

    said = io.StringIO()
    patch = pytest.MonkeyPatch()
    patch.setattr(argparse.ArgumentParser, 'parse_args', stop_after_parsing)
    patch.setattr(sys, 'argv', list(argv))
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            yield
    except Accepted:
        return
    except SystemExit as error:
        asks_for_help = {'-h', '--help', '--version'} & set(argv)
        assert error.code in (0, None) and asks_for_help, said.getvalue().strip() or error.code
        return
    finally:
        patch.undo()
    raise AssertionError('it did not read its arguments with argparse')


def check_cfg_options(arguments: Sequence[str]) -> None:
    """The first part of every ``--cfg-options`` key has to be in the config."""
    if '--cfg-options' not in arguments:
        return
    from mmengine.config import Config

    configs = [one for one in arguments if (ROOT / one).is_file() and one.endswith('.py')]
    known = Config.fromfile(str(ROOT / (configs or ['configs/magnet_tiny_refshapes.py'])[0]))
    for option in arguments[arguments.index('--cfg-options') + 1 :]:
        if option.startswith('--') or '=' not in option:
            break
        key = option.split('=')[0].split('.')[0]
        assert key in known, f'--cfg-options {option}: the config has no {key}'
