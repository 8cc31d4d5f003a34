# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReferringMetric against numbers worked out by hand, and across two processes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample
from pycocotools import mask as coco_mask

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import (
    ReferringMetric,
    decode_mask,
    read_items,
    referring_metric,
    score_items,
)


def make_item(intersection, union, sent_id=0, kind=None, **changes):
    item = {
        'dataset_name': 'refshapes',
        'split': 'val',
        'ref_id': 1,
        'sent_id': sent_id,
        'expression': f'sentence {sent_id}',
        'kind': kind,
        'intersection': intersection,
        'union': union,
    }
    return item | changes


def make_sample(prediction, ground_truth, sent_id=0, kind=None, logits=None, **metainfo):
    """A predicted data sample; masks are nested lists or arrays [H, W]."""
    sample = SegDataSample(
        metainfo={
            'img_path': f'images/{sent_id}.jpg',
            'dataset_name': 'refshapes',
            'split': 'val',
            'ref_id': 10 + sent_id // 2,
            'sent_id': sent_id,
            'expression': f'sentence {sent_id}',
            'kind': kind,
            **metainfo,
        }
    )
    sample.gt_sem_seg = PixelData(data=torch.as_tensor(ground_truth, dtype=torch.uint8)[None])
    sample.pred_sem_seg = PixelData(data=torch.as_tensor(prediction, dtype=torch.uint8)[None])
    if logits is not None:
        sample.seg_logits = PixelData(data=torch.as_tensor(logits, dtype=torch.float32))
        sample.set_metainfo(dict(img_shape=tuple(sample.seg_logits.shape)))
    return sample


def evaluate(metric, samples, size=None):
    evaluator = Evaluator(metric)
    for i in range(0, len(samples), 2):
        evaluator.process(samples[i : i + 2])
    return evaluator.evaluate(len(samples) if size is None else size)


def random_samples(count):
    generator = np.random.default_rng(0)
    return [
        make_sample(
            *(generator.random((2, 9, 7)) < 0.5), sent_id=i, kind=('place', 'attribute')[i % 2]
        )
        for i in range(count)
    ]


# ---------------------------------------------------------------- from masks


def test_masks_at_input_resolution():
    samples = [
        # intersection 2, union 4
        make_sample([[1, 1, 1, 0], [0, 0, 0, 0]], [[0, 1, 1, 1], [0, 0, 0, 0]], 0, 'place'),
        # intersection 3, union 3
        make_sample([[1, 0, 0, 0], [1, 1, 0, 0]], [[1, 0, 0, 0], [1, 1, 0, 0]], 1, 'relation'),
        # empty prediction: 0 of 8
        make_sample(np.zeros((2, 4)), np.ones((2, 4)), 2, 'relation'),
    ]
    scores = evaluate(METRICS.build(dict(type='ReferringMetric')), samples)
    assert scores == pytest.approx(
        {
            'oIoU': 100 * 5 / 15,
            'mIoU': 50.0,
            'P@0.5': 100 * 2 / 3,
            'P@0.6': 100 / 3,
            'P@0.7': 100 / 3,
            'P@0.8': 100 / 3,
            'P@0.9': 100 / 3,
            'oIoU/place': 50.0,
            'oIoU/relation': 100 * 3 / 11,
        }
    )


def test_boundary_iou_beside_the_others(tmp_path):
    one, other = np.zeros((2, 50, 50))  # 2 % of the diagonal are 1 pixel
    one[10:20, 10:20] = 1
    other[10:20, 10:22] = 1
    samples = [make_sample(one, other, 0), make_sample(one, one, 1)]
    scores = evaluate(ReferringMetric(boundary=True, output_dir=tmp_path), samples)
    assert scores['Boundary IoU'] == pytest.approx(100 * (28 / 48 + 1) / 2)
    assert scores['mIoU'] == pytest.approx(100 * (100 / 120 + 1) / 2)
    first, _ = read_items(tmp_path / 'items_refshapes_val.jsonl')
    assert (first['boundary_intersection'], first['boundary_union']) == (28, 48)
    assert 'Boundary IoU' not in evaluate(ReferringMetric(), samples)


@pytest.mark.parametrize('channels', [1, 2])
def test_original_resolution_of_a_non_square_image(channels):
    # Two columns of logits become six: -1, -0.48, 0.04, ... 1.6 with align_corners=True (four
    # columns positive; without it, three). Ground truth: the three columns on the right.
    foreground = torch.tensor([[-1.0, 1.6], [-1.0, 1.6]])
    logits = foreground[None] if channels == 1 else torch.stack([-foreground, foreground])
    ground_truth = np.zeros((4, 6), dtype=np.uint8)
    ground_truth[:, 3:] = 1
    sample = make_sample(
        [[0, 0], [0, 0]],  # ignored at original resolution
        [[0, 1], [0, 1]],
        logits=logits,
        ori_shape=(4, 6),
        gt_rle=coco_mask.encode(np.asfortranarray(ground_truth)),
    )
    scores = evaluate(ReferringMetric(resolution='original'), [sample])
    assert (scores['oIoU'], scores['P@0.7'], scores['P@0.8']) == (75.0, 100.0, 0.0)
    assert evaluate(ReferringMetric(), [sample])['oIoU'] == 0.0


def test_logit_zero_and_equal_logits_are_background():
    rle = coco_mask.encode(np.asfortranarray(np.ones((2, 2), dtype=np.uint8)))
    for logits in (torch.zeros(1, 2, 2), torch.ones(2, 2, 2)):
        sample = make_sample(
            np.zeros((2, 2)), np.ones((2, 2)), logits=logits, ori_shape=(2, 2), gt_rle=rle
        )
        assert evaluate(ReferringMetric(resolution='original'), [sample])['oIoU'] == 0.0


def test_the_log_tells_what_was_scored(monkeypatch):
    messages = []
    monkeypatch.setattr(
        referring_metric, 'print_log', lambda message, **_: messages.append(message)
    )
    mask = np.ones((2, 2))
    samples = [make_sample(mask, mask, i, split='testA' if i else 'val') for i in range(3)]
    evaluate(ReferringMetric(), samples)
    assert messages == [
        'ReferringMetric: 2 items of refshapes, split testA, scored at input resolution',
        'ReferringMetric: 1 items of refshapes, split val, scored at input resolution',
    ]


def test_metric_is_ready_again_after_evaluate():
    metric = ReferringMetric(keep_results=True)
    samples = random_samples(4)
    assert evaluate(metric, samples) == evaluate(metric, samples)
    assert [item['sent_id'] for item in metric.items] == [0, 1, 2, 3]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('resolution', ['input', 'original'])
def test_logits_that_are_not_finite(bad, resolution):
    mask = np.ones((2, 2))
    sample = make_sample(mask, mask, sent_id=7, logits=[[[0.0, bad], [1.0, 1.0]]])
    with pytest.raises(DataError, match=r'logits of refshapes val ref_id 13, sent_id 7 .*NaN'):
        evaluate(ReferringMetric(resolution), [sample])


def test_shapes_must_agree():
    sample = make_sample(np.ones((3, 2)), np.ones((2, 3)), sent_id=7)
    with pytest.raises(DataError, match=r'sent_id 7 .*\(3, 2\).*\(2, 3\)'):
        evaluate(ReferringMetric(), [sample])


def test_original_mask_must_have_the_original_shape():
    rle = coco_mask.encode(np.ones((6, 4), dtype=np.uint8, order='F'))
    sample = make_sample(
        np.ones((2, 2)), np.ones((2, 2)), logits=np.ones((1, 2, 2)), ori_shape=(4, 6), gt_rle=rle
    )
    with pytest.raises(DataError, match=r'\(4, 6\).*\(6, 4\).*original'):
        evaluate(ReferringMetric('original'), [sample])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({}, 'no seg_logits'),
        ({'logits': np.ones((1, 2, 2))}, 'does not say ori_shape'),
        ({'logits': np.ones((1, 2, 2)), 'ori_shape': (2, 2)}, 'no gt_rle'),
        ({'logits': np.ones((3, 2, 2)), 'ori_shape': (2, 2)}, '1 or 2 channels, not 3'),
        (
            {'logits': np.ones((1, 2, 2)), 'ori_shape': (2, 2), 'gt_rle': {'size': [2, 2]}},
            'sent_id 0.*gt_rle is not a COCO compressed RLE',
        ),
    ],
)
def test_original_resolution_needs_logits_and_rle(changes, message):
    sample = make_sample(np.ones((2, 2)), np.ones((2, 2)), **changes)
    with pytest.raises(DataError, match=message):
        evaluate(ReferringMetric('original'), [sample])


def test_masks_must_be_binary():
    sample = make_sample([[0, 255]], [[0, 1]])
    with pytest.raises(DataError, match=r'pred_sem_seg of .* got \(1, 2\) with values \[0, 255\]'):
        evaluate(ReferringMetric(), [sample])


@pytest.mark.parametrize('field', ['pred_sem_seg', 'gt_sem_seg'])
def test_missing_mask(field):
    sample = make_sample([[1]], [[1]])
    delattr(sample, field)
    with pytest.raises(DataError, match=f'sent_id 0 .*has no {field}'):
        evaluate(ReferringMetric(), [sample])


def test_missing_metainfo_is_named():
    sample = SegDataSample(metainfo={'img_path': 'a.jpg', 'ref_id': 1, 'split': 'val'})
    with pytest.raises(DataError, match=r"a.jpg lacks \['dataset_name', 'sent_id', 'expression'\]"):
        evaluate(ReferringMetric(), [sample])


def test_unknown_resolution():
    with pytest.raises(ConfigError, match="resolution.*'full'"):
        ReferringMetric(resolution='full')


def test_missing_and_doubled_items():
    samples = random_samples(3)
    with pytest.raises(DataError, match='has 4 items, but 3 were scored'):
        evaluate(ReferringMetric(), samples, size=4)
    with pytest.raises(DataError, match='has 3 items, but 4 were scored.*3 of them different'):
        evaluate(ReferringMetric(), [*samples, samples[0]], size=3)
    with pytest.raises(DataError, match='has 2 items, but 3 were scored'):
        evaluate(ReferringMetric(), samples, size=2)


def test_failed_evaluation_leaves_no_results_behind():
    metric = ReferringMetric()
    samples = random_samples(3)
    with pytest.raises(DataError):
        evaluate(metric, samples, size=4)
    assert evaluate(metric, samples)['mIoU'] > 0


def test_two_sentences_with_one_key():
    mask = np.ones((2, 2))
    samples = [make_sample(mask, mask, 0), make_sample(mask, mask, 0, expression='another')]
    with pytest.raises(DataError, match="'sentence 0' and 'another'"):
        evaluate(ReferringMetric(), samples)


# ---------------------------------------------------------------- several processes


def test_padding_that_differs_is_told_and_the_first_scored(monkeypatch):
    messages = []
    monkeypatch.setattr(
        referring_metric, 'print_log', lambda message, **_: messages.append(message)
    )
    results = [make_item(1, 2, 5), make_item(3, 4, 2), make_item(2, 2, 5)]
    unique = referring_metric._unique_items(results, size=2, world_size=2)
    assert [(item['sent_id'], item['intersection']) for item in unique] == [(2, 3), (5, 1)]
    assert len(messages) == 1
    assert '1 padded item(s)' in messages[0]


def test_padding_cannot_hide_a_missing_item():
    with pytest.raises(DataError, match='3 items, but 4 were scored on 2 process.*2 of them'):
        referring_metric._unique_items([make_item(1, 2, i % 2) for i in range(4)], 3, 2)


def test_more_repeats_than_padding_are_an_error():
    twice = [make_item(1, 2, i % 2) for i in range(4)]  # every item on both processes
    with pytest.raises(DataError, match='2 items, but 4 were scored on 2 process.*2 of them'):
        referring_metric._unique_items(twice, size=2, world_size=2)
    assert len(referring_metric._unique_items(twice[:3], size=2, world_size=2)) == 2


DISTRIBUTED_CASES = ((7, False), (5, True), (1, False))  # number of items, shuffled sampler


def _evaluate_on_rank(rank, world_size, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=world_size
    )
    for count, shuffle in DISTRIBUTED_CASES:
        case = f'{folder}/{count}'
        samples = random_samples(count)
        sampler = DefaultSampler(samples, shuffle=shuffle, seed=3)
        metric = ReferringMetric(output_dir=case, collect_dir=f'{case}/parts')
        scores = evaluate(metric, [samples[i] for i in sampler], size=count)
        with open(f'{case}/rank{rank}.json', 'w') as file:
            json.dump([scores, len(list(sampler))], file)
    torch.distributed.destroy_process_group()


def test_two_processes_equal_one_digit_for_digit(tmp_path):
    # fork: a spawned process could not import this file, which is on no path
    torch.multiprocessing.start_processes(
        _evaluate_on_rank, args=(2, str(tmp_path)), nprocs=2, start_method='fork'
    )
    name = 'items_refshapes_val.jsonl'
    for count, _ in DISTRIBUTED_CASES:
        alone = evaluate(ReferringMetric(output_dir=tmp_path / 'alone'), random_samples(count))
        for rank in range(2):
            scores, scored = json.loads((tmp_path / f'{count}' / f'rank{rank}.json').read_text())
            assert scored == (count + 1) // 2  # the padding was there
            assert list(scores.items()) == list(alone.items())
        together = (tmp_path / f'{count}' / name).read_bytes()
        assert together == (tmp_path / 'alone' / name).read_bytes()


# ---------------------------------------------------------------- per-item results


def test_items_are_written_as_mmseg_test_asks(tmp_path):
    # mmseg's tools/test.py --out sets these two entries.
    metric = METRICS.build(
        dict(type='ReferringMetric', output_dir=str(tmp_path), keep_results=True)
    )
    prediction = np.array([[1, 1, 0], [0, 0, 0]])
    samples = [
        make_sample(prediction, [[1, 0, 0], [0, 0, 0]], 3, 'place', split='testA'),
        make_sample(prediction, prediction, 1, split='testA', expression='café\n\u2028'),
        make_sample(prediction, prediction, 1),
    ]
    scores = evaluate(metric, samples)
    items = read_items(tmp_path / 'items_refshapes_testA.jsonl')
    assert [(item['ref_id'], item['sent_id']) for item in items] == [(10, 1), (11, 3)]
    assert [item['expression'] for item in items] == ['café\n\u2028', 'sentence 3']
    assert [item['kind'] for item in items] == [None, 'place']
    assert [item['iou'] for item in items] == [1.0, 0.5]
    assert [(item['intersection'], item['union']) for item in items] == [(2, 2), (1, 2)]
    assert items[0]['prediction']['size'] == [2, 3]
    assert isinstance(items[0]['prediction']['counts'], str)
    assert decode_mask(items[0]['prediction']).tolist() == prediction.tolist()
    other = read_items(tmp_path / 'items_refshapes_val.jsonl')
    assert metric.items == items + other
    assert score_items(items + other) == scores


def test_nothing_is_written_without_output_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metric = ReferringMetric()
    evaluate(metric, random_samples(2))
    assert list(tmp_path.iterdir()) == []
    assert metric.items == []
