# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exported files give torch's logits at every batch size."""

import json
import zipfile

import pytest
import torch

from magnet_mm.deployment import FORMATS, export_checkpoint, largest_difference
from magnet_mm.deployment.metadata import METADATA_KEY


def export_and_compare(config, checkpoint, format):
    """Export; torch's logits must not be constant, or the comparison would say nothing."""
    out = checkpoint.with_suffix(FORMATS[format].suffix)
    files = export_checkpoint(config, 'small.py', checkpoint, out, format)
    run = FORMATS[format].load(files.model)
    # Two batch sizes, neither of them the one that was recorded.
    assert largest_difference(files, run, batches=(1, 3)) < 1e-3
    inputs = files.network.example_inputs(2, (64, 64), files.description.max_tokens, seed=7)
    logits = masks_of(files.network(*inputs))
    assert logits.std() > 1e-2
    other_words = torch.where(inputs[1] > 0, inputs[1] % 40 + 6, inputs[1])
    other = masks_of(run(inputs[0], other_words, inputs[2]))
    assert (other - logits).abs().max() > 1e-4
    return files


def masks_of(outputs):
    """The logits; a model that can say "nothing is meant" gives a second output."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


@pytest.mark.slow
def test_onnx(onnx_method, small_config, save_checkpoint):
    import onnx

    # one of them with shifted windows
    config = small_config(onnx_method, swin=onnx_method == 'lavt')
    files = export_and_compare(config, save_checkpoint(config), 'onnx')
    onnx.checker.check_model(str(files.model))
    graph = onnx.load(str(files.model))
    assert [value.name for value in graph.graph.input] == ['images', 'input_ids', 'attention_mask']
    names = [value.name for value in graph.graph.output]
    assert tuple(names) == files.network.output_names and names[0] == 'logits'
    for value in graph.graph.input:
        batch, *rest = value.type.tensor_type.shape.dim
        assert batch.dim_param and not batch.dim_value
        assert all(dim.dim_value for dim in rest)
    inside = {entry.key: entry.value for entry in graph.metadata_props}[METADATA_KEY]
    assert json.loads(inside) == json.loads(files.metadata.read_text())


@pytest.mark.slow
def test_torchscript(method, small_config, save_checkpoint):
    config = small_config(method, swin=True)
    files = export_and_compare(config, save_checkpoint(config), 'torchscript')
    inside = {METADATA_KEY: ''}
    torch.jit.load(str(files.model), _extra_files=inside)
    assert json.loads(inside[METADATA_KEY])['height'] == 64


@pytest.mark.slow
def test_torch_export(small_config, save_checkpoint):
    config = small_config('lavt', swin=True)  # test_onnx goes through torch.export for the others
    files = export_and_compare(config, save_checkpoint(config), 'torch-export')
    with zipfile.ZipFile(files.model) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(METADATA_KEY)]
        assert json.loads(archive.read(name))['max_tokens'] == 20
