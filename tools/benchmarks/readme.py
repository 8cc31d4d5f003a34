# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The parts of README.md that hold numbers, from the record of a demo (docs/demo_run.json)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import fill_sections, table

KINDS = ('attribute', 'place', 'relation')
SHOWN = ('oIoU', 'mIoU', 'P@0.5', 'P@0.9')


def fill_readme(page: Path, record: dict[str, Any]) -> list[str]:
    """Write a record's numbers into the page.

    Args:
        page: README.md.
        record: what :func:`benchmarks.demo_run.read_demo_run` gives, and ``seconds`` of ``env``,
            ``demo`` and ``test``, ``cores``, and the ``commit`` they were measured at.

    Returns:
        The sections that were written.
    """
    sections = dict(commands=_commands, measured=_measured)
    return fill_sections(
        page, 'demo', {name: partial(section, record) for name, section in sections.items()}
    )


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``97 s``, ``10 min 21 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest} s' if minutes >= 2 else f'{round(seconds)} s'


def _commands(record: dict[str, Any]) -> str:
    took = {name: duration(seconds) for name, seconds in record['seconds'].items()}
    return (
        '```bash\n'
        f'make demo    # {took["env"]} for .venv, then {took["demo"]}: generates data, trains '
        'MagNet, evaluates, draws\n'
        f'make test    # {took["test"]}: the whole test suite\n'
        '```'
    )


def _measured(record: dict[str, Any]) -> str:
    rows = []
    for split, scores in record['scores'].items():
        kinds = ' / '.join(f'{scores["by_kind"][kind]["oIoU"]:.1f}' for kind in KINDS)
        rows.append([split, *(f'{scores[name]:.1f}' for name in SHOWN), kinds])
    header = ['split', *SHOWN, f'oIoU of {" / ".join(KINDS)}']
    return (
        f'What `make demo` measured in a fresh clone on {record["cores"]} CPU cores (commit '
        f'{record["commit"]}; RefShapes, percent;\n`work_dirs/demo/results.json`). It took '
        f'{duration(record["seconds"]["demo"])} once the environment was there, '
        f'{record["steps"]:,} training steps\nof about {record["seconds_per_step"]:.2f} s among '
        f'them:\n\n{table(header, rows)}'
    )
