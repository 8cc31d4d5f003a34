# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How sentences are split into words, by the systems that use each rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from magnet_mm.errors import ConfigError


def split_at_blanks(sentence: str) -> list[str]:
    """Split at white space alone: no lower-casing, punctuation stays at its word (VLT) [C]."""
    return sentence.split()


def split_at_separators(sentence: str) -> list[str]:
    """Split at runs of non-word characters, which stay as words where they are not blank [C].

    Lower case; one final "." is dropped (CMPC, EFN, and LSCM before it parses). Blanks around a
    separator are taken off (our choice).
    """
    pieces = [piece.strip() for piece in re.split(r'(\W+)', sentence.lower())]
    words = [piece for piece in pieces if piece]
    return words[:-1] if words and words[-1] == '.' else words


#: EFN reads the lists of CMPC's preparation, whose words are padded at the end instead.
RULES: dict[str, Callable[[str], list[str]]] = {
    'vlt': split_at_blanks,
    'cmpc': split_at_separators,
    'efn': split_at_separators,
}


def splitting_rule(settings: Mapping) -> Callable[[str], list[str]]:
    """Return the rule that a word tokenizer's settings name as `rule`; `cmpc` by default.

    Raises:
        ConfigError: There is no such rule.
    """
    rule = settings.get('rule', 'cmpc')
    if rule not in RULES:
        raise ConfigError(f'The rule of words is one of {", ".join(RULES)}, not {rule!r}.')
    return RULES[rule]
