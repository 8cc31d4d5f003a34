# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores masks of any model: ``magnet-mm score PREDICTIONS --data ROOT --dataset refcoco``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from magnet_mm.analysis.bootstrap import RESAMPLES
from magnet_mm.evaluation.released_rules import RELEASED_RULES
from magnet_mm.evaluation.score_record import (
    check_comparable,
    describe_model,
    file_sha256,
    write_record,
)
from magnet_mm.scoring import output
from magnet_mm.scoring.benchmark import Benchmark
from magnet_mm.scoring.contamination import Contamination, contamination, find_source
from magnet_mm.scoring.output import Result
from magnet_mm.scoring.referee import RESOLUTIONS, Evaluation, Referee
from magnet_mm.scoring.submission import Submission

RUNS = ('A', 'B')
_WIDTH = 160  # columns of a table where the output is no terminal


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Score predicted masks, of whatever model, on a split of a data set.'
    )
    parser.add_argument(
        'predictions',
        nargs='+',
        metavar='PREDICTIONS',
        help='.jsonl (ours, or lines of ref_id, sent_id, size, counts), folder of '
        'REFID_SENTID.png, or .npz; two to compare them',
    )
    parser.add_argument('--data', required=True, metavar='ROOT', help='data root (docs/data.md)')
    parser.add_argument('--dataset', required=True, help='refcoco, refcoco+ ..., or own.jsonl')
    parser.add_argument('--split', default='val', help='default val')
    parser.add_argument(
        '--out', metavar='DIR', help='for scores.json, .csv and .tex; default PREDICTIONS.scores'
    )
    parser.add_argument(
        '--resolution', nargs='+', choices=RESOLUTIONS, default=RESOLUTIONS, help='default both'
    )
    parser.add_argument(
        '--input-size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help="to which masks of the images' size are resized for the input resolution; default: "
        "that of the data set's configs",
    )
    parser.add_argument(
        '--per', choices=('sentence', 'reference'), default='sentence', help='reference: too'
    )
    parser.add_argument('--rule', choices=RELEASED_RULES, help='as a released code scores, too')
    parser.add_argument('--boundary', action='store_true', help='Boundary IoU, too')
    parser.add_argument(
        '--trained-on',
        metavar='SOURCES',
        help='refcoco,refcocog,coco2017,vg,FILE ...: how much of the split they hold',
    )
    parser.add_argument(
        '--min-target-pixels',
        type=int,
        default=50,
        metavar='N',
        help='gRefCOCO: a mask of fewer pixels says that nothing is meant, where the model does '
        'not answer itself (default 50)',
    )
    args = parser.parse_args(arguments)
    if len(args.predictions) > len(RUNS):
        parser.error('one file of predictions, or two to compare')
    if min(args.input_size or [1]) < 1:
        parser.error('--input-size: height and width are at least 1')
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print, write."""
    args = parse_args(arguments)
    benchmark = Benchmark(args.data, args.dataset, args.split)
    referee = Referee(
        benchmark,
        args.resolution,
        args.input_size and tuple(args.input_size),
        args.per == 'reference',
        args.rule,
        args.boundary,
        args.min_target_pixels,
    )
    seen = None
    if args.trained_on:
        names = [name for name in args.trained_on.split(',') if name]
        seen = contamination(benchmark, [find_source(name, args.data) for name in names])
    submissions = [Submission(path, benchmark) for path in args.predictions]
    runs = [referee.evaluate(submission) for submission in submissions]
    if len(runs) == 2:
        check_comparable(*(_as_record(benchmark, evaluations) for evaluations in runs))
    results = _results(runs, seen)
    _show(benchmark, submissions, results, seen)
    out = Path(args.out or f'{Path(args.predictions[0]).with_suffix("")}.scores')
    _write(out, benchmark, submissions, results, seen)
    return 0


def _as_record(benchmark: Benchmark, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    protocols = [dict(protocol=evaluation.protocol) for evaluation in evaluations]
    return dict(evaluations=protocols, data=benchmark.description)


def _results(runs: Sequence[Sequence[Evaluation]], seen: Contamination | None) -> list[Result]:
    """Scores of every run, protocol and part, and of the differences."""
    parts = dict(all=None) if seen is None else dict(all=None, clean=seen.clean, seen=seen.seen)
    results = []
    for evaluations in zip(*runs, strict=True):
        for part, chosen in parts.items():
            if chosen == [] or (chosen and evaluations[0].protocol['per'] == 'reference'):
                continue
            members = [one if chosen is None else one.part(chosen) for one in evaluations]
            made = [_result(run, part, one) for run, one in zip(RUNS, members, strict=False)]
            results += made
            for (_, first), (second, other) in pairwise(zip(made, members, strict=True)):
                differences = first.ratios.compare(other.ratios)
                results.append(Result.of_difference(second, differences))
    return results


def _result(run: str, part: str, evaluation: Evaluation) -> Result:
    return Result(
        run,
        part,
        evaluation.protocol,
        len(evaluation.items),
        len(set(evaluation.images)),
        evaluation.scores,
        evaluation.ratios.intervals(RESAMPLES),
    )


def _show(
    benchmark: Benchmark,
    submissions: Sequence[Submission],
    results: Sequence[Result],
    seen: Contamination | None,
) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    (data,) = benchmark.description
    files = ', '.join(f'{name} {digest[:12]}' for name, digest in data['files'].items())
    lines = [
        f'{data["dataset_name"]} {data["split"]}: {data["sentences"]:,} sentences, '
        f'{data["references"]:,} references, {data["images"]:,} images ({files})'
    ]
    for run, submission in zip(RUNS, submissions, strict=False):
        lines.append(f'{run}: {submission.path}, masks at {submission.resolution} resolution')
        if submission.record:
            lines.append(f'{run} was evaluated with {describe_model(submission.record)}')
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if seen is not None:
        output.print_contamination(seen, console)
    output.print_results(results, console)


def _write(
    out: Path,
    benchmark: Benchmark,
    submissions: Sequence[Submission],
    results: Sequence[Result],
    seen: Contamination | None,
) -> None:
    """Write the three files."""
    predictions = [
        dict(
            run=run,
            file=str(submission.path),
            sha256=file_sha256(submission.path) if submission.path.is_file() else None,
            evaluated=submission.record and submission.record['model'],
        )
        for run, submission in zip(RUNS, submissions, strict=False)
    ]
    more = {} if seen is None else dict(contamination=seen.as_dict())
    evaluations = [result.as_dict() for result in results]
    write_record(out, evaluations, benchmark.description, dict(predictions=predictions), **more)
    output.write_csv(out / 'scores.csv', results)
    names = {run: str(one.path) for run, one in zip(RUNS, submissions, strict=False)}
    title = f'{benchmark.name} {benchmark.split}'
    output.write_latex(out / 'scores.tex', results, names, title)
    print(f'Scores: {out}/scores.json, scores.csv, scores.tex')
