# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The layout: nothing imports in a circle, and what users have written down keeps working."""

from __future__ import annotations

import ast
import importlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmseg import registry

import magnet_mm  # noqa: F401  (registers the components)
from magnet_mm.cli.dispatch import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
    for path in (ROOT / 'magnet_mm').rglob('*.py')
}

# Version 0.1, README and docs. A name that goes has to keep its old one for a release
# (magnet_mm/renamed.py) before it may leave this list.
COMPONENTS = """
ActivationCheckpointHook AlignmentHead AlignmentLoss CentreMaskEncoder CheckpointFitHook CompileHook
CoupAlignFusion CoupAlignHead CrossModalEncoder DurableCheckpointHook EpochSeedHook FiniteLossHook
GeneralizedReferringDataset GeneralizedReferringMetric GroupedOptimWrapperConstructor ImageSampler
JsonLinesReferringDataset LAVTHead LoadReferringImage LoadReferringMask MagNetFusion
MaskGroundingHead MemoryLogProcessor MixedReferringDataset MultiClassDiceLoss
OneQueryMask2FormerHead LAVTFusion PWAMFusion PackReferringInputs PixelContrastHead
PooledMaskEncoder
ReferringDataset ReferringMetric ReferringSegmentor ReferringTTAModel ReferringVisualizationHook
ReferringVisualizer ResumeHook SafeCheckpointHook SentenceMaskAlignment SentencePixelAggregation
StagewiseAdapter StagewiseBert StagewiseDarknet StagewiseResNet StagewiseSwin StagewiseTextEncoder
SynchronizedCrossEntropyLoss TokenizeExpression VisitSampler WorkerTimeoutHook
"""
CONFIGS = """
magnet_swinb_refcoco magnet_swinb_refcocoplus magnet_swinb_refcocog-umd magnet_swinb_refcocog-google
magnet_swinb_mixed magnet_swinb_grefcoco magnet_swinb_refcoco_released magnet_tiny_refshapes
magnet_darknet53_refcoco lavt_swinb_refcoco lavt_swinb_refcocoplus
lavt_swinb_refcocog-umd lavt_swinb_refcocog-google lavt_swinb-dice_refcoco lavt-mg_swinb_refcoco
lavt-mg_r101_refcoco lavt_r101_refcoco lavt_tiny_refshapes coupalign_swinb_refcoco
coupalign_swinb_refcocoplus coupalign_swinb_refcocog-umd coupalign_swinb_n0_refcoco
coupalign_swinb_n20_refcoco coupalign_swinb_n50_refcoco coupalign_swinb_n100_refcoco
coupalign_swinb_n150_refcoco coupalign_swinb_n200_refcoco coupalign-mg_swinb_refcoco
coupalign_r101_refcoco coupalign_darknet53_refcoco coupalign_tiny_refshapes
"""
TOOLS = """
analysis_tools/ablate.py analysis_tools/benchmark.py analysis_tools/browse_dataset.py
analysis_tools/check_scores.py analysis_tools/draw_predictions.py analysis_tools/get_flops.py
analysis_tools/plot_curves.py analysis_tools/replay_loss.py analysis_tools/report.py
analysis_tools/write_performance.py dataset_tools/check_data.py dataset_tools/coco2jsonl.py
dataset_tools/jsonl2refcoco.py dataset_tools/make_refcoco_imitation.py
dataset_tools/make_refshapes.py dataset_tools/refcoco2jsonl.py dist_test.sh dist_train.sh export.py
infer.py model_converters/lavt2mm.py model_converters/magnet2mm.py slurm_test.sh slurm_train.sh
test.py train.py
"""
IMPORTS = """
magnet_mm.apis.ReferringSegInferencer magnet_mm.apis.find_config magnet_mm.apis.shipped_configs
magnet_mm.deployment.FORMATS magnet_mm.deployment.export_checkpoint
magnet_mm.deployment.largest_difference magnet_mm.models.MaskGroundingHead
magnet_mm.structures.CrossModalFeatures magnet_mm.structures.FusionOutput
magnet_mm.version.__version__
"""


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & set(FILES)


def in_circles(edges: Mapping[str, Iterable[str]]) -> set[str]:
    """The nodes from which a path leads back to themselves."""
    found = set()
    for start in edges:
        seen, stack = set(), list(edges[start])
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += edges.get(node, ())
        found |= {start} & seen
    return found


def test_no_two_files_import_each_other():
    # An __init__ only passes on names; nobody in the package reads from that of its own folder.
    plain = {name for name, path in FILES.items() if path.name != '__init__.py'}
    assert not in_circles({name: (imports(FILES[name]) & plain) - {name} for name in plain})


def test_no_two_subpackages_import_each_other():
    edges: dict[str, set[str]] = {}
    for name, path in FILES.items():
        for other in imports(path):
            parts = (name.split('.') + [''])[1], (other.split('.') + [''])[1]
            if all(parts) and parts[0] != parts[1]:
                edges.setdefault(parts[0], set()).add(parts[1])
    assert len(edges) > 8 and not in_circles(edges)


def test_a_circle_is_found():
    assert in_circles(dict(a=['b'], b=['c'], c=['b'], d=['a'])) == {'b', 'c'}


def test_registry_names_of_users():
    registries = [one for one in vars(registry).values() if hasattr(one, 'module_dict')]
    registered = {name for one in registries for name in one.module_dict}
    assert set(COMPONENTS.split()) <= registered


def test_files_of_users():
    for name in CONFIGS.split():
        assert (ROOT / 'configs' / f'{name}.py').is_file(), name
    for name in TOOLS.split():
        path = ROOT / 'tools' / name
        assert path.is_file() and (path.suffix == '.py' or os.access(path, os.X_OK)), name


def test_commands_and_imports_of_users():
    assert set(COMMANDS) >= {'train', 'test', 'infer', 'check-data', 'demo'}
    for name in IMPORTS.split():
        module, _, attribute = name.rpartition('.')
        assert hasattr(importlib.import_module(module), attribute), name
