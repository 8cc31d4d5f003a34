# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads pretrained text encoders and refuses what does not fit, instead of filling gaps."""

from __future__ import annotations

import pickle

from safetensors import SafetensorError
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from magnet_mm.errors import CheckpointError

# What the weights alone do not show, but what changes every output.
_SAME = ('model_type', 'num_attention_heads', 'hidden_act', 'layer_norm_eps')


def read_text_weights(
    source: str, model_class: type[PreTrainedModel], sizes: PretrainedConfig, **options
) -> dict[str, Tensor]:
    """State dict of a pretrained text encoder.

    Args:
        source: hub name or local directory, read by transformers (safetensors or
            ``weights_only`` loading: no code of the file runs).
        model_class: transformers' class of the model.
        sizes: what the weights must fit.
        options: passed on to the model, e.g. ``add_pooling_layer=False``.

    Raises:
        CheckpointError: when the weights are not found, damaged, incomplete, or of another model.
    """
    name = 'BERT' if sizes.model_type == 'bert' else sizes.model_type
    try:
        published = type(sizes).get_config_dict(source)[0]
        if not published:
            raise OSError('no config.json there')
        config = {**type(sizes)().to_dict(), **published}
        other = {
            key: (config[key], getattr(sizes, key))
            for key in _SAME
            if key in config and config[key] != getattr(sizes, key)
        }
        if other:
            raise CheckpointError(
                f'The {name} weights {source!r} belong to another model than the text encoder of '
                'the config: '
                + ', '.join(f'{key} is {a!r}, not {b!r}' for key, (a, b) in other.items())
            )
        model, report = model_class.from_pretrained(source, output_loading_info=True, **options)
    except OSError as error:
        hint = 'Set the environment variable BERT_PATH to' if name == 'BERT' else 'Name'
        raise CheckpointError(
            f'The {name} weights {source!r} were not found. {hint} a local directory with '
            'config.json, the vocabulary and the weights, or give this machine access to the hub. '
            f'({error})'
        ) from error
    except (SafetensorError, pickle.UnpicklingError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f'The {name} weights {source!r} cannot be read; download them again. ({error})'
        ) from error
    if report['missing_keys']:
        raise CheckpointError(
            f'The {name} weights {source!r} lack {len(report["missing_keys"])} tensors: '
            + ', '.join(sorted(report['missing_keys']))
        )
    return model.state_dict()
