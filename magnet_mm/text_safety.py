# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes text out of files harmless before a terminal, a log or an error message shows it.

Sentences, file names and keys come from downloaded files. An escape sequence in one of them could
move the cursor, rename the window or hide what else is printed; a right-to-left override could
make a file name read as another one; a line break could forge a line of the log. HTML is not the
business of this module: templates escape it (jinja2's ``autoescape``, gradio).
"""

from __future__ import annotations

import unicodedata
from typing import Any

SHOWN_CHARACTERS = 300


def printable(text: Any, limit: int | None = None) -> str:
    """Return the text on one line, with control and invisible formatting characters made visible.

    Args:
        text: Shown as ``str(text)``. Runs of whitespace become one space; characters of Unicode's
            categories C (control, format, surrogate, private use, unassigned) become U+FFFD.
        limit: Longest result in characters; what is beyond it becomes an ellipsis. None shows all.

    Returns:
        Text that any terminal, log file or picture can take: it encodes as UTF-8.
    """
    text = str(text)
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + '\N{HORIZONTAL ELLIPSIS}'
    return _visible(' '.join(text.split()))


def printable_message(message: Any) -> str:
    """Return an error message with its line breaks kept and all else as :func:`printable` shows it.

    The exceptions of :mod:`magnet_mm.errors` pass their messages through it, so whatever part of
    a message came out of a file cannot reach the terminal as it was.
    """
    return '\n'.join(_visible(line.replace('\t', ' ')) for line in str(message).split('\n'))


def _visible(line: str) -> str:
    """Replace every character of category C, Zl or Zp; most lines have none."""
    if line.isprintable():
        return line
    return ''.join(map(_visible_character, line))


def _visible_character(character: str) -> str:
    category = unicodedata.category(character)
    hidden = category[0] == 'C' or category in ('Zl', 'Zp')
    return '\N{REPLACEMENT CHARACTER}' if hidden else character
