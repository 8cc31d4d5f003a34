# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Python and bash blocks of the pages run; see docs/contributing.md, "Documentation"."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch


def test_a_reason_or_a_setup_belongs_to_the_next_block(markdown_blocks):
    first, second, third = markdown_blocks(
        'Text.\n\n<!-- not run: needs 8 GPUs -->\n```bash\nmake demo\n```\n\n'
        '<!-- setup: a = 1\nb = 2 -->\n```python\nassert a + b == 3\n```\n'
        '<!-- not run: this reason stands before a paragraph -->\nText.\n```bash\nls\n```\n'
    )
    assert first.skipped and first.comments['not run'] == 'needs 8 GPUs'
    assert second.comments == {'setup': 'a = 1\nb = 2'} and second.code == 'assert a + b == 3\n'
    assert not third.skipped


def test_weights_are_those_of_small_models():
    code = "a = load('magnet_swinb_refcoco', 'magnet_swinb_refcoco.pth')"
    assert (
        _with_small_models(code) == "a = load('magnet_tiny_refshapes', 'magnet_swinb_refcoco.pth')"
    )
    code = "load_config('configs/lavt-mg_r101_refcoco.py')  # no weights"
    assert _with_small_models(code) == code


def test_every_reason_says_something(blocks):
    for block in blocks:
        if 'not run' in block.comments:
            assert len(block.comments['not run'].split()) >= 2, f'{block}: give the reason'


def test_commands_stand_in_blocks_that_are_checked(blocks):
    for block in blocks:
        words = block.code.split()
        if block.language in ('', 'text', 'console', 'none') and words and not block.skipped:
            assert words[0] not in ('python', 'make', 'magnet-mm', 'pip', '$', '>>>'), (
                f'{block}: tag the block as bash or python, so that it is checked'
            )


def test_python_blocks_run(python_page, checkout, make_placeholders):
    """The blocks of a page run one after the other, in one process forked for the page."""
    for block in python_page:
        make_placeholders(block.code)
    fork = multiprocessing.get_context('fork')
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_run_page, args=(python_page, checkout, sender))
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
        pytest.fail(f'{python_page[0].page}: its Python blocks take more than a minute')
    assert receiver.poll(), f'{python_page[0].page}: exit code {process.exitcode} without a word'
    problem = receiver.recv()
    assert problem is None, problem


def _run_page(page, checkout: Path, sender) -> None:
    os.chdir(checkout)
    sys.path.insert(0, str(checkout))
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    # What every block may use: a batch for the small RefShapes models.
    names = dict(
        __name__='__documentation__',
        images=torch.randn(2, 3, 80, 80, generator=generator),
        input_ids=torch.randint(5, 50, (2, 20), generator=generator),
        attention_mask=torch.ones(2, 20, dtype=torch.int64),
    )
    block = page[0]
    try:
        for block in page:
            if block.file or block.code.lstrip().startswith('_base_'):
                _use_file(block, checkout)
                continue
            exec(compile(block.comments.get('setup', ''), f'{block} setup', 'exec'), names)
            code = _with_small_models(block.code)
            exec(compile('\n' * block.line + code, block.page, 'exec'), names)
    except BaseException:  # anything that ends the block is a finding
        sender.send(f'{block}\n{traceback.format_exc()}')
    else:
        sender.send(None)


def _with_small_models(code: str) -> str:
    """A block that loads weights runs with the small model of the method it names."""
    if '.pth' not in code:
        return code
    full_size = r'\b(magnet|lavt|coupalign)(?:-\w+)?_(?:swinb|r101|darknet53)[\w+-]*(?=\.py|[\'"])'
    return re.sub(full_size, r'\1_tiny_refshapes', code)


def _use_file(block, checkout: Path) -> None:
    """Write a block that is a file; read it as a config, or else import it."""
    from mmengine.config import Config

    name = block.file or f'configs/block_at_line_{block.line}.py'
    path = checkout / name
    assert not path.is_symlink(), f'{block} would replace {name}'
    path.write_text(block.code, encoding='utf-8')
    if name.startswith('configs/'):
        assert Config.fromfile(str(path)).to_dict()
    else:
        importlib.import_module(path.stem)


@pytest.mark.slow
def test_bash_blocks_run(real_bash_block, checkout, make_placeholders):
    make_placeholders(real_bash_block.code)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', real_bash_block.code],
        cwd=checkout,
        env=dict(os.environ, PATH=path, PYTHONPATH=str(checkout), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
