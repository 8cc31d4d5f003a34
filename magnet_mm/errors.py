# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exceptions raised for bad input; each message says what was wrong, where, and what to do.

Messages quote file names, keys and sentences out of files that nobody vouches for, so each passes
through :func:`magnet_mm.text_safety.printable_message`: no terminal escape gets out of a file.
"""

import sys

from magnet_mm.text_safety import printable_message


class DataError(ValueError):
    """An annotation, image, mask or sentence cannot be used; the message names file and sample."""

    def __init__(self, message: object = '') -> None:
        super().__init__(printable_message(message))


class ConfigError(ValueError):
    """A config asks for something that does not exist or does not fit together."""

    def __init__(self, message: object = '') -> None:
        super().__init__(printable_message(message))


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message names the batch's samples and the dump."""


class CheckpointError(RuntimeError):
    """A checkpoint is damaged, unsafe, or does not fit the model; the message lists the keys."""

    def __init__(self, message: object = '') -> None:
        super().__init__(printable_message(message))


def add_note(error: BaseException, note: str) -> None:
    """Tell where an exception of another library happened; it keeps its type and traceback."""
    if sys.version_info >= (3, 11):
        error.add_note(note)
    else:  # Python 3.10 knows no notes
        error.args = (*error.args, note)
