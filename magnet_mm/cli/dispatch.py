# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Hands ``magnet-mm COMMAND ARGUMENTS`` to the command's own ``main``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.interruption import exit_on_sigterm
from magnet_mm.version import __version__

# command: module with main(arguments) -> int | None, what it does
COMMANDS = {
    'train': ('magnet_mm.cli.train', 'train a model'),
    'test': ('magnet_mm.cli.test', 'evaluate a checkpoint on splits of a dataset'),
    'audit': ('magnet_mm.cli.audit', 'find out whether a model reads'),
    'finetune': ('magnet_mm.cli.finetune', 'adapt a trained model to data of your own'),
    'infer': ('magnet_mm.cli.infer', 'segment images by sentences'),
    'score': ('magnet_mm.cli.score', 'score masks of any model'),
    'check-data': (
        'magnet_mm.data_tools.checking.command_line',
        'check a download of the datasets',
    ),
    'prepare-data': (
        'magnet_mm.data_tools.preparing.command_line',
        'turn what you have of a data set into its files',
    ),
    'demo': ('magnet_mm.cli.demo', 'open the demo page in a browser'),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``magnet-mm``; the command's module is imported only when it is called.

    Args:
        arguments: The command and its arguments; by default those of the process.

    Returns:
        The exit code: 0, what the command returned, or 1 after an error of ours (DataError,
        ConfigError, CheckpointError), of which the sentence alone is printed.
    """
    parser = argparse.ArgumentParser(
        prog='magnet-mm',
        description='Referring image segmentation.',
        epilog='commands:\n'
        + '\n'.join(f'  {name:<14}{text}' for name, (_, text) in COMMANDS.items())
        + '\n\nmagnet-mm COMMAND --help lists the arguments of a command.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'magnet_mm {__version__}')
    parser.add_argument('command', choices=COMMANDS, metavar='COMMAND', help='see below')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, metavar='...')
    args = parser.parse_args(arguments)
    module, _ = COMMANDS[args.command]
    sys.argv[0] = f'magnet-mm {args.command}'  # what argparse calls the program in its usage
    run = importlib.import_module(module).main
    return run_command(run, args.arguments, f'magnet-mm {args.command}')


def run_command(
    run: Callable[[Sequence[str]], int | None], arguments: Sequence[str] | None, name: str
) -> int:
    """Call a command's ``main``; an error of ours becomes one sentence and exit code 1."""
    exit_on_sigterm()
    try:
        return run(arguments) or 0
    except (CheckpointError, ConfigError, DataError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'{name}: stopped', file=sys.stderr)
        return 130
