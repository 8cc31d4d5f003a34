# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentences of every odd kind: the right tokens, or an error that names the sample."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnet_mm.datasets import TokenizeExpression
from magnet_mm.errors import DataError

# ids of the tiny vocabulary: 1 [UNK], 2 [CLS], 3 [SEP], 5 red, 6 square, 7 ##s, 8 left, 9 the
CASES = {
    'empty': ('', [2, 3]),
    'whitespace': (' \t\n\u3000\u00a0', [2, 3]),
    'spaces around and upper case': ('  The RED  square ', [2, 9, 5, 6, 3]),
    'accents': ('Réd', [2, 5, 3]),
    'emoji': ('red 🙂 👨‍👩‍👧', [2, 5, 1, 1, 3]),
    'right-to-left': ('الرجل على اليسار', [2, 1, 1, 1, 3]),
    'right-to-left override': ('\u202ered\u202c square', [2, 5, 6, 3]),
    'NUL and escape characters': ('red\x00 \x1b[31msquare', None),
    'HTML': ('<script>red</script>', None),
    '10,000 words': ('red ' * 10_000, [2, 5, 5, 5, 5, 5, 5, 3]),
    'one word of 100,000 letters': ('r' * 100_000, [2, 1, 3]),
    'special tokens spelt out': ('red [SEP] square', [2, 5, 3, 6, 3]),
    'half a surrogate pair': ('red \ud83d', 'half of a surrogate pair'),
    'null': (None, 'is NoneType, not a string'),
    'number': (5, 'is int, not a string: 5'),
    'bytes': (b'red', 'is bytes, not a string'),
    'list of words': (['red', 'square'], 'is list, not a string'),
}


def results(expression):
    return dict(expression=expression, ref_id=4, sent_id=41, img_path='COCO_2.jpg')


@pytest.mark.parametrize('case', CASES)
def test_case(case, vocabulary):
    expression, expected = CASES[case]
    tokenize = TokenizeExpression(vocabulary, max_tokens=8)
    if isinstance(expected, str):
        message = rf'of ref 4, sentence 41 \(COCO_2.jpg\) .*{expected}'
        with pytest.raises(DataError, match=message) as caught:
            tokenize(results(expression))
        str(caught.value).encode()  # a message that can be shown
        return
    found = tokenize(results(expression))
    if expected is None:  # which characters punctuation falls into is the library's business
        assert {5, 6} & set(found['input_ids'].tolist())
    else:
        assert found['input_ids'].tolist() == expected + [0] * (8 - len(expected))


@given(st.text(max_size=80), st.integers(2, 12))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_gives_well_formed_tokens(vocabulary, text, max_tokens):
    found = TokenizeExpression(vocabulary, max_tokens=max_tokens)(results(text))
    ids, mask = found['input_ids'], found['attention_mask']
    length = int(mask.sum())
    assert ids.shape == mask.shape == (max_tokens,) and ids.dtype == mask.dtype == np.int64
    assert 2 <= length <= max_tokens and mask[:length].all() and not mask[length:].any()
    assert ids[0] == 2 and ids[length - 1] == 3 and not ids[length:].any()
