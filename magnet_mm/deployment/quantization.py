# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""INT8 weights for an exported ONNX file, by onnxruntime's dynamic quantisation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from magnet_mm.atomic_files import unfinished_beside
from magnet_mm.deployment.export import ExportedFiles, publish_files
from magnet_mm.deployment.formats import require


def quantize_int8(files: ExportedFiles) -> Path:
    """Write ``NAME.int8.onnx`` beside ``NAME.onnx``, with its metadata.

    Weights of matrix products are stored in 8 bits per channel, and their inputs are rounded to 8
    bits as they come; convolutions stay as they are (our choice). The tokenizer is the one of
    ``NAME.onnx``.

    Args:
        files: an ONNX export.

    Raises:
        ConfigError: when onnxruntime is not installed.
    """
    require('onnx', 'onnxruntime')
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(files.model)
    _transpose_weights_once(model.graph)
    out = files.model.with_suffix(f'.int8{files.model.suffix}')
    with unfinished_beside(out, folder=True) as folder:
        quantize_dynamic(
            model,
            folder / out.name,
            op_types_to_quantize=['MatMul', 'Gemm'],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        shutil.copyfile(files.metadata, folder / f'{out.name}.json')
        publish_files(folder, out.parent, [out])
    return out


def _transpose_weights_once(graph: Any) -> None:
    """Store the weights of every ``Gemm`` as it multiplies them.

    onnxruntime's quantiser transposes a weight for each ``Gemm`` that reads it, as if there were
    but one; the steps of a recurrent network share theirs.
    """
    from onnx import helper, numpy_helper

    weights = {weight.name: weight for weight in graph.initializer}
    turned: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        flags = [one for one in node.attribute if one.name == 'transB' and one.i]
        if node.op_type == 'Gemm' and flags:
            name = node.input[1]
            if name not in turned:
                turned[name] = f'{name}_turned'
                if name in weights:
                    values = numpy_helper.to_array(weights[name]).T.copy()
                    graph.initializer.append(numpy_helper.from_array(values, turned[name]))
                else:
                    nodes.append(helper.make_node('Transpose', [name], [turned[name]]))
            node.input[1] = turned[name]
            node.attribute.remove(flags[0])
        nodes.append(node)
    read = {name for node in nodes for name in node.input}
    kept = [one for one in graph.initializer if one.name in read or one.name not in turned]
    del graph.node[:], graph.initializer[:]
    del graph.value_info[:]  # inferred again
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
