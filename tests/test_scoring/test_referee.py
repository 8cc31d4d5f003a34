# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores by hand, and equal to the metric's to the last digit for every geometry and rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from scored_masks import MASKS, box

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import ReferringMetric
from magnet_mm.evaluation.score_record import write_record
from magnet_mm.scoring import Benchmark, Referee, Submission

RESIZE = dict(type='Resize', scale=(16, 12), keep_ratio=False, backend='pillow')
LETTERBOX = dict(type='Letterbox', size=(20, 20))


def test_scores_by_hand(benchmark, write_masks):
    submission = Submission(write_masks(MASKS), benchmark)
    assert submission.resolution == 'original'
    (evaluation,) = Referee(benchmark, ['original']).evaluate(submission)
    counts = [(item['intersection'], item['union']) for item in evaluation.items]
    assert counts == [(64, 64), (32, 64), (18, 36), (0, 25 + 49)]
    scores = evaluation.scores
    assert scores['oIoU'] == 100 * 114 / 238
    assert scores['mIoU'] == 50
    assert (scores['P@0.5'], scores['P@0.6']) == (75, 25)
    assert evaluation.protocol == dict(
        metric='ReferringMetric',
        per='sentence',
        rule='standard',
        resolution='original',
        input_size=None,
        masks='as predicted',
    )


def test_per_reference_is_another_benchmark(benchmark, write_masks):
    referee = Referee(benchmark, ['original'], per_reference=True)
    _, evaluation = referee.evaluate(Submission(write_masks(MASKS), benchmark))
    assert evaluation.protocol['per'] == 'reference'
    assert [item['sent_id'] for item in evaluation.items] == [40, 50, 60]
    assert evaluation.scores['oIoU'] == 100 * 82 / 174


def test_masks_at_the_other_resolution(benchmark, write_masks):
    # Twice as large: nearest neighbours repeat each pixel, so nothing but the areas changes.
    referee = Referee(benchmark, input_size=(60, 80))
    own = referee.evaluate(Submission(write_masks(MASKS), benchmark))
    doubled = {key: mask.repeat(2, 0).repeat(2, 1) for key, mask in MASKS.items()}
    at_input = Submission(write_masks(doubled), benchmark)
    assert (at_input.resolution, at_input.input_size) == ('input', (60, 80))
    for evaluations in (own, referee.evaluate(at_input)):
        counts = [[item['intersection'] for item in one.items] for one in evaluations]
        assert counts == [[256, 128, 72, 0], [64, 32, 18, 0]]
    resized = [one.protocol['masks'] for one in own]
    assert resized == ['resized afterwards', 'as predicted']


def test_missing_foreign_and_wrong_sizes_are_named(benchmark, write_masks):
    masks = {**MASKS, (9, 90): MASKS[4, 40], (9, 91): MASKS[4, 40]}
    del masks[5, 50]
    with pytest.raises(DataError) as error:
        Submission(write_masks(masks), benchmark)
    assert '1 missing: ref_id 5, sent_id 50' in str(error.value)
    assert '2 of no sentence of this split: ref_id 9, sent_id 90 (line 4);' in str(error.value)
    masks = {**MASKS, (4, 41): box(0, 0, 1, 1, (40, 30))}
    with pytest.raises(DataError, match=r'1 of a wrong size: .*41 \(line 2\) is \[40, 30\], its'):
        Submission(write_masks(masks), benchmark)


def evaluate(benchmark, root, step, rule='standard', resolution='input'):
    """Items, scores and protocol of the metric for random masks through a test pipeline."""
    dataset = DATASETS.build(
        dict(
            type='ReferringDataset',
            data_root=str(root),
            ann_file='refcoco/instances.json',
            refs_file='refcoco/refs(unc).p',
            data_prefix=dict(img_path='images/mscoco/images/train2014'),
            split='val',
            test_mode=True,
            pipeline=[dict(type='LoadReferringImage'), dict(type='LoadReferringMask'), step],
        )
    )
    generator = np.random.default_rng(0)
    metric = ReferringMetric(resolution, root / rule, rule)
    for sample in dataset:
        shape = sample['gt_seg_map'].shape
        noisy = sample['gt_seg_map'] ^ (generator.random(shape) < 0.1)
        mask = torch.from_numpy(noisy.astype(np.uint8))[None]
        truth = torch.from_numpy(sample['gt_seg_map'])[None]
        sample.update(
            pred_sem_seg=dict(data=mask),
            gt_sem_seg=dict(data=truth),
            seg_logits=dict(data=2 * mask.float() - 1),
            head_logits=dict(data=2 * mask.float() - 1),
        )
        metric.process(None, [sample])
    scores = metric.evaluate(len(dataset))
    path = root / rule / 'items_refcoco_val.jsonl'
    evaluations = [dict(protocol=metric.protocol(), scores=scores)]
    write_record(path.parent, evaluations, benchmark.description, {})
    return path, scores, metric.protocol()


@pytest.mark.parametrize('step', [RESIZE, LETTERBOX], ids=['resized', 'letterboxed'])
def test_own_dumps_score_as_the_metric(benchmark, root, step):
    path, scores, protocol = evaluate(benchmark, root, step)
    submission = Submission(path, benchmark)
    evaluation, original = Referee(benchmark).evaluate(submission)
    assert 20 < scores['oIoU'] < 90
    assert evaluation.scores == scores
    assert evaluation.protocol == protocol
    assert original.protocol['masks'] == 'resized afterwards'
    assert 10 < original.scores['oIoU'] < 90


@pytest.mark.parametrize('rule', ['efn', 'cmpc', 'lscm', 'lavt', 'rela', 'vlt', 'cris'])
def test_rules_score_as_the_metric(benchmark, root, rule):
    step = LETTERBOX if rule in ('cmpc', 'lscm', 'cris') else RESIZE
    written, scores, protocol = evaluate(benchmark, root, step, rule)
    (evaluation,) = Referee(benchmark).evaluate(Submission(written, benchmark))
    assert (evaluation.scores, evaluation.protocol) == (scores, protocol)  # the rule's own masks
    standard, _, _ = evaluate(benchmark, root, step)
    referee = Referee(benchmark, ['input'], rule=rule)
    if rule in ('vlt', 'cris'):
        with pytest.raises(DataError, match=f'{rule} resizes probabilities.*test_evaluator.rule='):
            referee.evaluate(Submission(standard, benchmark))
    else:
        _, evaluation = referee.evaluate(Submission(standard, benchmark))
        assert (evaluation.scores, evaluation.protocol) == (scores, protocol)


def test_boundaries(benchmark, write_masks):
    # Within 1 pixel of the outside (2 % of a diagonal of 50): 28 of 8 x 8 pixels and 20 of 8 x 4,
    # of which 8 + 6 are in both; 20 of 6 x 6 and 14 of 6 x 3, 6 + 4 in both.
    referee = Referee(benchmark, ['original'], boundary=True)
    (evaluation,) = referee.evaluate(Submission(write_masks(MASKS), benchmark))
    expected = 25 * (1 + 14 / 34 + 10 / 24)
    assert evaluation.scores['Boundary IoU'] == pytest.approx(expected)
    low, high = evaluation.ratios.intervals(50)['Boundary IoU']
    assert low <= expected <= high


def test_masks_of_a_released_code(benchmark, root, write_masks):
    submission = Submission(write_masks(MASKS), benchmark)
    _, evaluation = Referee(benchmark, ['original'], rule='cris').evaluate(submission)
    assert evaluation.scores['P@0.5'] == 25  # 32/64 and 18/36 are not above 0.5
    with pytest.raises(DataError, match="lavt compares at the network's input"):
        Referee(benchmark, rule='lavt').evaluate(submission)
    path, _, _ = evaluate(benchmark, root, RESIZE, resolution='original')
    with pytest.raises(DataError, match='made by the rule "standard"'):
        Referee(benchmark, rule='vlt').evaluate(Submission(path, benchmark))


def test_other_annotations_are_noticed(benchmark, root, instances, write_data):
    path, _, _ = evaluate(benchmark, root, RESIZE)
    text = path.read_text()
    path.write_text(text.replace('"intersection": ', '"intersection": 1'))
    with pytest.raises(DataError, match='4 with another intersection: ref_id 4, sent_id 40'):
        Referee(benchmark).evaluate(Submission(path, benchmark))
    path.write_text(text)
    instances['info'] = 'another file'
    write_data(instances=instances)
    with pytest.raises(DataError, match='other data .*the annotation files differ'):
        Submission(path, Benchmark(root, 'refcoco', 'val'))


def test_generalized_benchmarks(root, refs, instances, write_masks):
    for ref in refs:
        ref['ann_id'] = [ref['ann_id']]
    refs[5].update(ann_id=[-1], no_target=True)  # (6, 60) means nothing
    (root / 'grefcoco').mkdir()
    (root / 'grefcoco/instances.json').write_text(json.dumps(instances))
    (root / 'grefcoco/grefs(unc).json').write_text(json.dumps(refs))
    benchmark = Benchmark(root, 'grefcoco', 'val')
    with pytest.raises(ConfigError, match='leave out --rule'):
        Referee(benchmark, rule='lavt')
    # (4, 41) by the model's own answer; (5, 50) and (6, 60) by their 18 and 25 pixels
    submission = Submission(write_masks(MASKS, no_target=[(4, 41)]), benchmark)
    (evaluation,) = Referee(benchmark, ['original'], min_target_pixels=26).evaluate(submission)
    scores = evaluation.scores
    assert (scores['N-acc'], scores['T-acc']) == (100, pytest.approx(100 / 3))
    assert scores['gIoU'] == 50
    assert scores['cIoU'] == 100 * 64 / (64 + 64 + 36)
    assert evaluation.protocol['min_target_pixels'] == 26
