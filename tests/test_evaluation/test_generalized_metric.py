# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""gIoU, cIoU, N-acc, T-acc and Pr@X against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import read_items, score_generalized_items

SIZE = 12  # 144 pixels


def rows(start, stop):
    mask = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    mask[start:stop] = 1
    return mask


def sample(number, prediction, ground_truth, kind=None, **metainfo):
    made = SegDataSample(
        metainfo=dict(
            img_path=f'{number}.jpg',
            dataset_name='grefcoco',
            split='val',
            ref_id=number,
            sent_id=number,
            expression=f'sentence {number}',
            kind=kind,
            **metainfo,
        )
    )
    made.pred_sem_seg = PixelData(data=prediction[None])
    made.gt_sem_seg = PixelData(data=ground_truth[None])
    made.seg_logits = PixelData(data=prediction[None].float() - 0.5)
    return made


def samples():
    """Predictions and targets, with a threshold of 24 pixels (two rows).

    0: target rows 0-6, predicted 0-5: 60 of 72                        IoU 5/6
    1: target rows 0-4, predicted 2-10: 24 of 120                      IoU 1/5
    2: target rows 0-5, predicted 1 row: 'no target', 0 of 60          IoU 0
    3: no target, predicted 1 row: recognised, 0 of 0                  IoU 1
    4: no target, predicted nothing: recognised, 0 of 0                IoU 1
    5: no target, predicted 2 rows: missed, 0 of 24                    IoU 0
    """
    return [
        sample(0, rows(0, 5), rows(0, 6), 'multi-target', no_target=False),
        sample(1, rows(2, 10), rows(0, 4), 'single-target', no_target=False),
        sample(2, rows(0, 1), rows(0, 5), 'single-target'),
        sample(3, rows(3, 4), rows(0, 0), 'no-target', no_target=True),
        sample(4, rows(0, 0), rows(0, 0), 'no-target', no_target=True),
        sample(5, rows(0, 2), rows(0, 0), 'no-target', no_target=True),
    ]


EXPECTED = {
    'gIoU': 100 * (5 / 6 + 1 / 5 + 0 + 1 + 1 + 0) / 6,
    'cIoU': 100 * (60 + 24) / (72 + 120 + 60 + 24),
    'N-acc': 100 * 2 / 3,
    'T-acc': 100 * 2 / 3,
    'Pr@0.5': 100 / 3,
    'Pr@0.6': 100 / 3,
    'Pr@0.7': 100 / 3,
    'Pr@0.8': 100 / 3,
    'Pr@0.9': 0.0,
    'gIoU/multi-target': 100 * 5 / 6,
    'gIoU/no-target': 100 * 2 / 3,
    'gIoU/single-target': 100 * (1 / 5 + 0) / 2,
}


def build(**arguments):
    arguments = {'min_target_pixels': 24, **arguments}
    return METRICS.build(dict(type='GeneralizedReferringMetric', **arguments))


def evaluate(metric, data):
    evaluator = Evaluator(metric)
    for start in range(0, len(data), 2):
        evaluator.process(data[start : start + 2])
    return evaluator.evaluate(len(data))


def test_by_hand():
    assert evaluate(build(), samples()) == pytest.approx(EXPECTED)


def test_at_original_resolution():
    data = samples()
    for one in data:
        from magnet_mm.evaluation import encode_mask

        one.set_metainfo(
            dict(
                ori_shape=(SIZE, SIZE),
                img_shape=(SIZE, SIZE),
                gt_rle=encode_mask(one.gt_sem_seg.data[0].numpy()),
            )
        )
    assert evaluate(build(resolution='original'), data) == pytest.approx(EXPECTED)


def test_threshold_of_one_pixel_takes_masks_as_they_are():
    scores = evaluate(build(min_target_pixels=1), samples())
    assert scores['N-acc'] == pytest.approx(100 / 3) and scores['T-acc'] == 100
    assert scores['gIoU'] == pytest.approx(100 * (5 / 6 + 1 / 5 + 1 / 5 + 0 + 1 + 0) / 6)
    assert scores['cIoU'] == pytest.approx(100 * (60 + 24 + 12) / (72 + 120 + 60 + 12 + 24))


def test_the_default_is_fifty_pixels():
    metric = METRICS.build(dict(type='GeneralizedReferringMetric'))
    # rows of 12 pixels: 4 rows are 48, 5 rows are 60
    data = [
        sample(0, rows(0, 4), rows(0, 0), no_target=True),
        sample(1, rows(0, 5), rows(0, 0), no_target=True),
    ]
    assert evaluate(metric, data)['N-acc'] == 50
    with pytest.raises(ConfigError, match='at least 1'):
        build(min_target_pixels=0)


def test_without_either_sort_of_item():
    targets = evaluate(build(), samples()[:3])
    assert 'N-acc' not in targets and targets['T-acc'] == pytest.approx(100 * 2 / 3)
    empty = evaluate(build(), samples()[3:5])
    assert empty == {'gIoU': 100, 'cIoU': 0.0, 'N-acc': 100, 'gIoU/no-target': 100}
    with pytest.raises(DataError, match='no items'):
        score_generalized_items([])


def test_a_target_that_vanished_in_the_resize_is_still_a_target():
    scores = evaluate(build(), [sample(0, rows(0, 0), rows(0, 0), no_target=False)])
    assert scores['gIoU'] == 0 and scores['T-acc'] == 0 and 'N-acc' not in scores


def test_records_on_disk(tmp_path):
    evaluate(build(output_dir=str(tmp_path)), samples())
    items = read_items(tmp_path / 'items_grefcoco_val.jsonl')
    assert [item['iou'] for item in items] == pytest.approx([5 / 6, 1 / 5, 0, 1, 1, 0])
    assert [item['no_target'] for item in items] == [False] * 3 + [True] * 3
    assert [item['predicted_no_target'] for item in items] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]
    assert [item['union'] for item in items] == [72, 120, 60, 0, 0, 24]
    assert score_generalized_items(items) == pytest.approx(EXPECTED)


def _rank(rank, world_size, path, queue):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{path}', rank=rank, world_size=world_size
    )
    data = samples()[:5]  # odd: the sampler pads one item
    metric = build()
    for index in DefaultSampler(data, shuffle=False):
        metric.process(None, [data[index].to_dict()])
    queue.put((rank, metric.evaluate(len(data))))
    torch.distributed.destroy_process_group()


def test_two_processes_score_like_one(tmp_path):
    expected = evaluate(build(), samples()[:5])
    context = torch.multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [
        context.Process(target=_rank, args=(rank, 2, tmp_path / 'store', queue)) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    results = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert results == {0: expected, 1: expected}


def rela_scores(data, answers):
    """gIoU and cIoU as the released ReLA computes them (docs/data.md), written anew."""
    ious, intersections, unions = [], 0, 0
    for one, answer in zip(data, answers, strict=True):
        prediction, truth = one.pred_sem_seg.data[0].bool(), one.gt_sem_seg.data[0].bool()
        if one.get('no_target', False):
            ious.append(float(answer))
            unions += 0 if answer else int(prediction.sum())
            continue
        union = int((prediction | truth).sum())
        intersection = 0 if answer else int((prediction & truth).sum())
        ious.append(intersection / union)
        intersections, unions = intersections + intersection, unions + union
    return 100 * sum(ious) / len(ious), 100 * intersections / unions


def test_truth_11_rela_keeps_the_ignored_mask_in_the_union():
    data = [  # an ignored mask of one row beside its target, and one inside it
        *samples(),
        sample(6, rows(11, 12), rows(0, 3), 'single-target'),
        sample(7, rows(0, 1), rows(0, 3), 'single-target'),
    ]
    answers = [int(one.pred_sem_seg.data.sum()) < 24 for one in data]
    giou, ciou = rela_scores(data, answers)
    scores = evaluate(build(), data)
    assert (scores['gIoU'], scores['cIoU']) == pytest.approx((giou, ciou))
    assert ciou == pytest.approx(100 * 84 / (72 + 120 + 60 + 24 + 48 + 36))
    emptied = evaluate(build(count_ignored=False), data)
    assert emptied['cIoU'] == pytest.approx(100 * 84 / (72 + 120 + 60 + 24 + 36 + 36))
    assert {key: value for key, value in emptied.items() if key != 'cIoU'} == pytest.approx(
        {key: value for key, value in scores.items() if key != 'cIoU'}
    )


def test_truth_11_the_answer_of_the_model_goes_before_the_pixels():
    """The model says that nothing is meant of sample 0 (60 pixels), and of no other."""
    data = samples()
    for number, one in enumerate(data):
        one.set_field(torch.tensor(number == 0), 'pred_no_target', dtype=torch.Tensor)
        if number == 0:
            one.pred_sem_seg.data = torch.zeros_like(one.pred_sem_seg.data)  # as the model does
    scores = evaluate(build(), data)
    whole = samples()
    assert (scores['gIoU'], scores['cIoU']) == pytest.approx(
        rela_scores(whole, [True] + [False] * 5)
    )
    assert scores['N-acc'] == 0 and scores['T-acc'] == pytest.approx(100 * 2 / 3)


def test_truth_19_precision_counts_equality_where_cris_does_not():
    # 10 of 20 pixels: IoU is exactly 0.5
    items = [dict(no_target=False, predicted_no_target=False, intersection=10, union=20)]
    assert score_generalized_items(items)['Pr@0.5'] == 100
