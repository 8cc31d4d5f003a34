# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""JSON lines: one object per line, UTF-8. The one place that reads and writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from magnet_mm.atomic_files import replacing
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable


def to_text(line: dict) -> str:
    """One object as a line, its end included."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as of a file name that is not UTF-8
        text = json.dumps(line)
    return text + '\n'


def write_lines(path: str | os.PathLike[str], lines: Iterable[dict]) -> int:
    """Write objects as lines, in the order given; the file appears complete or not at all.

    Returns:
        int: How many lines.
    """
    count = 0
    with replacing(path) as unfinished, unfinished.open('w', encoding='utf-8') as file:
        for line in lines:
            file.write(to_text(line))
            count += 1
    return count


def read_lines(
    path: str | os.PathLike[str], advice: str = 'Check the path.'
) -> Iterator[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers from 1; a byte order mark is dropped.

    Args:
        path: The file.
        advice (str): What to do where it cannot be read.

    Raises:
        DataError: The file cannot be read, or is not UTF-8.
    """
    try:
        with open(path, encoding='utf-8-sig') as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: not UTF-8 ({error}). Save the file as UTF-8.') from error
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error}). {advice}') from error


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Parse a line that holds one JSON object.

    Args:
        text (str): The line.
        where (str): File and line, for the message.

    Raises:
        DataError: It holds something else.
    """
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f'{where}: not valid JSON ({type(error).__name__}: {printable(error, 200)}). Write one '
            'JSON object per line, without commas between lines; get a damaged file again.'
        ) from error
    if not isinstance(line, dict):
        raise DataError(
            f'{where}: expected an object {{...}}, found {type(line).__name__}. Write one JSON '
            'object per line.'
        )
    return line
