# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How keys of published checkpoints translate into ours: data, and the function that applies it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magnet_mm.errors import CheckpointError


def swin_layout(key: str, tensor: Tensor) -> Tensor:
    """Return the values in our layout: 1x1 convolutions as linear, patch merging reordered."""
    if '.downsample.' in key:
        return merge_order_to_unfold(tensor)
    if key.startswith('backbone.fusion.') and key.endswith('.weight'):
        return tensor.flatten(1) if tensor.dim() > 2 else tensor
    return tensor


def as_they_are(key: str, tensor: Tensor) -> Tensor:
    """Return the tensor."""
    return tensor


def merge_order_to_unfold(tensor: Tensor) -> Tensor:
    """Reorder the 4C inputs of a patch merging from Swin's order to ``nn.Unfold``'s.

    Swin concatenates the four neighbours (0,0), (1,0), (0,1), (1,1), each with C channels;
    mmseg unfolds, which gives every channel its four neighbours (0,0), (0,1), (1,0), (1,1).
    """
    blocks = tensor.unflatten(-1, (4, -1))
    return blocks[..., torch.tensor([0, 2, 1, 3]), :].transpose(-1, -2).flatten(-2)


@dataclass(frozen=True)
class KeyMap:
    """Translation of one published layout.

    Attributes:
        name: what the layout is called in messages.
        rules: ``(pattern, replacement)`` pairs for ``re.fullmatch`` on the whole key; the first
            that matches wins. A ``*`` in a replacement is the number of a module in a list, found
            by what its keys are called.
        without_effect: patterns of keys that do not change the masks and have no counterpart here.
        config: the config whose model takes the result.
        layouts: the published forms it covers, see :mod:`magnet_mm.released.published`.
        values: ``(our key, tensor)`` to the tensor as we hold it; for networks other than Swins
            with fusion by linear layers, say so (:func:`as_they_are`).
        own: modules of ours whose weights stand in a file of their own, such as word vectors; a
            conversion initialises them.
    """

    name: str
    rules: Sequence[tuple[str, str]]
    without_effect: Sequence[str]
    config: str
    layouts: Sequence[str]
    values: Callable[[str, Tensor], Tensor] = swin_layout
    own: Sequence[str] = ()

    def translate(self, key: str) -> str | None:
        """Our key, or None for a key without effect.

        Raises:
            CheckpointError: for a key that no pattern covers.
        """
        if any(re.fullmatch(pattern, key) for pattern in self.without_effect):
            return None
        for pattern, replacement in self.rules:
            match = re.fullmatch(pattern, key)
            if match:
                return match.expand(replacement)
        raise CheckpointError(f'The key {key!r} does not belong to a {self.name} checkpoint.')


def find_in(target: Collection[str], key: str) -> str:
    """Put the number in the place of a ``*`` in a key; a key that has none stays as it is.

    Raises:
        CheckpointError: when several modules of the list have such a key.
    """
    if '*' not in key:
        return key
    pattern = re.escape(key).replace(r'\*', r'\d+')
    places = [ours for ours in target if re.fullmatch(pattern, ours)]
    if len(places) > 1:
        raise CheckpointError(
            f'{key} could be {", ".join(places)}; convert with a config that has one of them.'
        )
    return places[0] if places else key


# Swin Transformer inside a released network, under the given prefix.
def swin_rules(prefix: str, stage: str | None = None) -> list[tuple[str, str]]:
    """Rules for the official Swin layout; ``stage`` where its stages do not stand under layers."""
    ours = 'backbone.visual.'
    stage = stage or rf'{prefix}\.layers\.(\d+)'
    block = rf'{stage}\.blocks\.(\d+)\.'
    to_block = rf'{ours}stages.\1.blocks.\2.'
    return [
        (rf'{prefix}\.patch_embed\.proj\.(.+)', rf'{ours}patch_embed.projection.\1'),
        (rf'{prefix}\.patch_embed\.norm\.(.+)', rf'{ours}patch_embed.norm.\1'),
        (rf'{block}(norm[12]\..+)', rf'{to_block}\3'),
        (rf'{block}attn\.(.+)', rf'{to_block}attn.w_msa.\3'),
        (rf'{block}mlp\.fc1\.(.+)', rf'{to_block}ffn.layers.0.0.\3'),
        (rf'{block}mlp\.fc2\.(.+)', rf'{to_block}ffn.layers.1.\3'),
        (rf'{stage}\.(downsample\..+)', rf'{ours}stages.\1.\2'),
    ]


# Hugging Face BERT inside a released network, under the given prefix.
def bert_rules(prefix: str, ours: str = 'backbone.text') -> list[tuple[str, str]]:
    """Rules for the Hugging Face layout, which is ours too."""
    return [(rf'{prefix}\.((?:embeddings|encoder)\..+)', rf'{ours}.\1')]


# The parts of a PWAM: (released name, our name).
PWAM_PARTS = (
    (r'vis_project\.0', 'visual_project'),
    (r'image_lang_att\.f_query\.0', 'attention.query'),
    (r'image_lang_att\.f_query\.1', 'attention.query_norm'),
    (r'image_lang_att\.f_key\.0', 'attention.key'),
    (r'image_lang_att\.f_value\.0', 'attention.value'),
    (r'image_lang_att\.W\.0', 'attention.out'),
    (r'image_lang_att\.W\.1', 'attention.out_norm'),
    (r'project_mm\.0', 'project'),
)
