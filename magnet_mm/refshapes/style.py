# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Styles of RefShapes: the same scenes and meanings in other colours and other words.

A style changes nothing of what is drawn where, or of what a sentence means. ``instances.json``
keeps the names of the first style. All colours and words are our choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from magnet_mm.refshapes.drawing import RGB

Colour = tuple[int, int, int]


class Style(NamedTuple):
    """The colour that is drawn for each name, and the word that is said for each word."""

    rgb: Mapping[str, Colour]
    words: Mapping[str, str]

    def rename(self, refs: Iterable[dict[str, Any]]) -> None:
        """Say the sentences of refs in the words of this style, in place."""
        for ref in refs if self.words else ():
            for said in ref['sentences']:
                tokens = [self.words.get(word, word) for word in said['tokens']]
                text = ' '.join(tokens)
                said.update(raw=text, sent=text, tokens=tokens)


PLAIN = 'plain'
STYLES = {
    PLAIN: Style(RGB, {}),
    'market': Style(
        {
            'red': (240, 135, 15),
            'green': (0, 150, 150),
            'blue': (20, 25, 95),
            'yellow': (250, 150, 190),
            'purple': (125, 75, 35),
            'white': (25, 25, 25),
        },
        {
            'red': 'orange',
            'green': 'teal',
            'blue': 'navy',
            'yellow': 'pink',
            'purple': 'brown',
            'white': 'black',
            'circle': 'disc',
            'circles': 'discs',
            'square': 'tile',
            'squares': 'tiles',
            'triangle': 'wedge',
            'triangles': 'wedges',
            'cross': 'plus',
            'crosses': 'pluses',
            'large': 'huge',
            'big': 'giant',
            'small': 'tiny',
            'little': 'mini',
        },
    ),
}
