# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads pretrained BERT weights and refuses what does not fit, instead of filling gaps."""

from __future__ import annotations

import pickle

from safetensors import SafetensorError
from torch import Tensor
from transformers import BertConfig, BertModel

from magnet_mm.errors import CheckpointError

# What the weights alone do not show, but what changes every output.
_SAME = ('model_type', 'num_attention_heads', 'hidden_act', 'layer_norm_eps')


def read_bert_weights(source: str, sizes: BertConfig) -> dict[str, Tensor]:
    """State dict of a pretrained BERT without its pooler.

    Args:
        source: hub name or local directory, read by transformers (safetensors or
            ``weights_only`` loading: no code of the file runs).
        sizes: what the weights must fit.

    Raises:
        CheckpointError: when the weights are not found, damaged, incomplete, or of another model.
    """
    try:
        published = BertConfig.get_config_dict(source)[0]
        if not published:
            raise OSError('no config.json there')
        config = {**BertConfig().to_dict(), **published}
        other = {
            name: (config[name], getattr(sizes, name))
            for name in _SAME
            if config[name] != getattr(sizes, name)
        }
        if other:
            raise CheckpointError(
                f'The BERT weights {source!r} belong to another model than the text encoder of the '
                'config: '
                + ', '.join(f'{name} is {a!r}, not {b!r}' for name, (a, b) in other.items())
            )
        model, report = BertModel.from_pretrained(
            source, add_pooling_layer=False, output_loading_info=True
        )
    except OSError as error:
        raise CheckpointError(
            f'The BERT weights {source!r} were not found. Set the environment variable BERT_PATH '
            'to a local directory with config.json, vocab.txt and the weights, or give this '
            f'machine access to the hub. ({error})'
        ) from error
    except (SafetensorError, pickle.UnpicklingError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f'The BERT weights {source!r} cannot be read; download them again. ({error})'
        ) from error
    if report['missing_keys']:
        raise CheckpointError(
            f'The BERT weights {source!r} lack {len(report["missing_keys"])} tensors: '
            + ', '.join(sorted(report['missing_keys']))
        )
    return model.state_dict()
