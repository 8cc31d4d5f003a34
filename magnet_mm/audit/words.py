# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Word classes: a small shipped list, and spaCy's for the other words where it is installed.

The list and its classes are our choice. Nouns are COCO's categories, what people call people, and
RefShapes' words; a word in several classes belongs to the first.
"""

from __future__ import annotations

from collections.abc import Callable

from magnet_mm.datasets.tokenizers.trees import load_spacy
from magnet_mm.errors import ConfigError
from magnet_mm.refshapes.scene import COLOURS as REFSHAPES_COLOURS
from magnet_mm.refshapes.scene import SHAPES
from magnet_mm.refshapes.wording import NOUNS as REFSHAPES_NOUNS

COLOURS = tuple(
    dict.fromkeys(
        [*REFSHAPES_COLOURS, *'black brown orange pink gray grey tan beige silver gold'.split()]
    )
)
#: Noun to COCO's category; a category that is one word means itself.
COCO_NOUNS = {
    **dict.fromkeys(
        'man men woman women guy guys girl girls boy boys lady person people kid kids child '
        'children baby player batter catcher umpire skier surfer dude gentleman'.split(),
        'person',
    ),
    **{
        name: name
        for name in 'bicycle car motorcycle airplane bus train truck boat bench bird cat dog horse '
        'sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee '
        'skateboard surfboard bottle cup fork knife spoon bowl banana apple sandwich '
        'broccoli carrot pizza donut cake chair couch bed toilet laptop mouse keyboard microwave '
        'oven toaster sink refrigerator book clock vase'.split()
    },
    **dict(bike='bicycle', motorbike='motorcycle', plane='airplane', sofa='couch', cows='cow'),
    **dict(fridge='refrigerator', doughnut='donut', horses='horse', zebras='zebra', cars='car'),
    **dict(giraffes='giraffe', elephants='elephant', chairs='chair', birds='bird', dogs='dog'),
}
CLASSES: dict[str, frozenset[str]] = {
    'colour': frozenset([*COLOURS, 'blond', 'blonde', 'dark', 'light']),
    'size': frozenset('big large small little tiny huge tall short long wide fat thin'.split()),
    'place': frozenset(
        'left right top bottom middle center centre upper lower leftmost rightmost topmost '
        'bottommost highest lowest corner side edge far furthest farthest foreground background '
        'first second third fourth last'.split()
    ),
    'relation': frozenset(
        'above below over under beneath behind front next beside near nearest closest close to '
        'between with without holding wearing by against'.split()
    ),
    'noun': frozenset([*SHAPES, *REFSHAPES_NOUNS, *COCO_NOUNS]),
    'function word': frozenset(
        'a an the of on in at is are that which who this it his her their its and or not'.split()
    ),
}
OTHER = 'other'
_SPACY = {'NOUN': 'noun', 'PROPN': 'noun', 'ADJ': 'adjective', 'VERB': 'verb', 'ADP': 'relation'}
ORDER = (*CLASSES, 'adjective', 'verb', OTHER)


def bare(word: str) -> str:
    """Return a word in lower case, without the punctuation around it."""
    return word.lower().strip('.,;:!?"\'()[]')


def listed_class(word: str) -> str:
    """Return the class of a word by the shipped list alone, ``other`` where it is in none."""
    word = bare(word)
    return next((name for name, words in CLASSES.items() if word in words), OTHER)


def word_classifier() -> tuple[Callable[[str], list[str]], str]:
    """Return what gives the classes of a sentence's words, and what it is called.

    The words are those of ``sentence.split()``. spaCy, where it and its model are installed, tags
    the words that the list does not have.
    """
    try:
        tag = load_spacy()
    except ConfigError:
        return lambda sentence: list(map(listed_class, sentence.split())), 'the shipped word list'

    def classes(sentence: str) -> list[str]:
        found = list(map(listed_class, sentence.split()))
        tags = {bare(token.text): _SPACY.get(token.pos_, OTHER) for token in tag(sentence)}
        return [
            tags.get(bare(word), OTHER) if name == OTHER else name
            for word, name in zip(sentence.split(), found, strict=True)
        ]

    return classes, 'the shipped word list and spaCy'
