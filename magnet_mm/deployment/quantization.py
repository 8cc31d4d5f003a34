# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""INT8 weights for an exported ONNX file, by onnxruntime's dynamic quantisation."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    del model.graph.value_info[:]  # shapes of weights that quantising transposes
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
