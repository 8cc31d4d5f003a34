# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Predictions of every odd kind: the right score, or an error that names the item."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from magnet_mm.errors import DataError
from magnet_mm.evaluation import ReferringMetric, decode_mask, encode_mask

ONES, ZEROS = torch.ones(1, 6, 6, dtype=torch.uint8), torch.zeros(1, 6, 6, dtype=torch.uint8)
PIXEL = ZEROS.clone()
PIXEL[0, 2, 3] = 1
NAN = torch.full((1, 6, 6), float('nan'))


def item(prediction=ONES, truth=ONES, **changes):
    sample = dict(
        img_path='a.jpg',
        dataset_name='refcoco',
        split='val',
        ref_id=5,
        sent_id=50,
        expression='the left one',
        kind=None,
        pred_sem_seg=dict(data=prediction),
        gt_sem_seg=dict(data=truth),
    )
    return {**sample, **changes}


def without(key):
    return {name: value for name, value in item().items() if name != key}


SECOND = item(PIXEL, ONES, sent_id=51)
# case: (data samples, size of the dataset, oIoU or what the DataError says)
CASES = {
    'equal masks': ([item()], 1, 100.0),
    'both empty': ([item(ZEROS, ZEROS)], 1, 0.0),
    'empty prediction': ([item(ZEROS, ONES)], 1, 0.0),
    'one pixel of 36': ([item(PIXEL, ONES)], 1, 100 / 36),
    'image of one pixel': ([item(ONES[:, :1, :1], ONES[:, :1, :1])], 1, 100.0),
    'boolean masks': ([item(ONES.bool(), PIXEL.bool())], 1, 100 / 36),
    'blank or emoji sentence': ([item(expression=' 🙂 ')], 1, 100.0),
    'NaN in the logits': ([item(seg_logits=dict(data=NAN))], 1, 'logits of .*NaN'),
    'infinite logits': ([item(seg_logits=dict(data=NAN / 0))], 1, 'NaN or infinity'),
    'NaN as the mask': ([item(NAN)], 1, 'pred_sem_seg of .*of 0 and 1'),
    'mask of 0 and 255': ([item(ONES * 255)], 1, 'pred_sem_seg of .*of 0 and 1'),
    'ignore label in the truth': ([item(ONES, ONES * 255)], 1, 'gt_sem_seg of'),
    'mask of another size': ([item(ONES[:, :3])], 1, r'mask is \(3, 6\)'),
    'mask that would broadcast': ([item(ONES[:, :1])], 1, r'mask is \(1, 6\)'),
    'two masks in one': ([item(ONES.expand(2, 6, 6))], 1, r'should be \[1, H, W\]'),
    'no prediction': ([without('pred_sem_seg')], 1, 'has no pred_sem_seg'),
    'no sent_id': ([without('sent_id')], 1, r"a.jpg lacks \['sent_id'\]"),
    'item missing': ([item()], 2, 'has 2 items, but 1 were scored'),
    'item doubled': ([item(), item()], 2, r'2 were scored on 1 process\(es\), 1 of them'),
    'more items than the dataset has': ([item(), SECOND], 1, 'has 1 items, but 2'),
    'one key, two sentences': ([item(), item(expression='x')], 2, 'two different items'),
    'sentence that is no string': ([item(expression=5)], 1, 'expression of .* is int'),
    'id that is no number': ([item(ref_id=None)], 1, 'ref_id of .* is NoneType'),
    'kind that is a list': ([item(kind=['x'])], 1, 'kind of .*short label'),
    'escape sequence in the sentence': (
        [item(), item(expression='\x1b[2J\u202e\n')],
        2,
        'two different items',
    ),
    'no items at all': ([], 0, 'no items to score'),
}  # fmt: skip


def score(samples, size):
    metric = ReferringMetric()
    for sample in samples:
        metric.process(None, [sample])
    return metric.evaluate(size)


@pytest.mark.parametrize('case', CASES)
def test_case(case):
    samples, size, expected = CASES[case]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected) as caught:
            score(samples, size)
        assert str(caught.value).isprintable()
    else:
        assert score(samples, size)['oIoU'] == pytest.approx(expected, abs=1e-9)


@given(st.data(), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_any_masks_are_scored_as_counted_by_hand(data, height, width):
    pair = [data.draw(arrays(np.uint8, (height, width), elements=st.integers(0, 1))) for _ in 'ab']
    prediction, truth = pair
    scores = score([item(*(torch.from_numpy(mask)[None] for mask in pair))], 1)
    union = int((prediction | truth).sum())
    iou = int((prediction & truth).sum()) / union if union else 0.0
    assert scores['oIoU'] == pytest.approx(100 * iou) == scores['mIoU']
    assert scores['P@0.5'] == (100.0 if iou >= 0.5 else 0.0)
    for mask in pair:
        np.testing.assert_array_equal(decode_mask(encode_mask(mask)), mask)
