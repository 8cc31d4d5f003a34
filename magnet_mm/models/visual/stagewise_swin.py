# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmseg's Swin Transformer, opened between its blocks and its patch merging.

A stage-wise visual backbone has ``channels`` (one number per stage) and three methods, all on
channels-last maps ``[B, H, W, C]``:

- ``embed(images [B, 3, H, W])``: input of stage 0,
- ``stage(i, x)``: ``V_i``, where fusion happens,
- ``downsample(i, v)``: input of stage ``i + 1``; where that changes the width,
  ``downsampled_channels`` says to what, one number per stage but the last.

Where heads see something else than ``V_i`` of a stage without fusion, ``output(i, v)`` makes it.

A backbone with ``stagewise = False`` cannot let language in: its ``embed`` gives all finished maps,
``stage(i, maps)`` picks one, and ``downsample`` is not called.
"""

from __future__ import annotations

from mmseg.models.backbones import SwinTransformer
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.visual.pretrained_visual import PretrainedVisual
from magnet_mm.models.visual.window_attention import ShiftedWindowAttention


@MODELS.register_module()
class StagewiseSwin(PretrainedVisual, SwinTransformer):
    """Swin Transformer that lets language in before each patch merging.

    Released LAVT and MagNet fuse there [C]. The arguments are those of mmseg's
    ``SwinTransformer``; its window attention runs in fused kernels
    (:class:`ShiftedWindowAttention`).

    Args:
        output_norms: build mmseg's norm of every stage's output, for methods without fusion in the
            stages (CARIS); fusion modules own theirs. Weights from ImageNet need not have them.
    """

    def __init__(self, output_norms: bool = False, **kwargs) -> None:
        super().__init__(out_indices=range(4) if output_norms else (), **kwargs)
        # complete_weights reads it: they start as they are built.
        self.fresh = tuple(f'norm{index}' for index in self.out_indices)
        self.channels: tuple[int, ...] = tuple(self.num_features)
        self.downsampled_channels = self.channels[1:]
        for stage in self.stages:
            for block in stage.blocks:
                block.attn = ShiftedWindowAttention(block.attn)

    def init_weights(self) -> None:
        """Load the checkpoint of ``init_cfg``, in mmseg's layout.

        Weights in the official layout are converted by mmseg's
        tools/model_converters/swin2mmseg.py. Without a checkpoint torch's own initialisation stays
        (our choice): mmseg's normal of 0.02 leaves the blocks of a narrow network close to the
        identity, and it learns slowly.

        Raises:
            CheckpointError: naming the parameters that the checkpoint does not have.
        """
        if self.init_cfg is not None:
            super().init_weights()

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the patch embedding ``[B, H/4, W/4, C_0]``."""
        tokens, (height, width) = self.patch_embed(images)
        if self.use_abs_pos_embed:
            tokens = tokens + self.absolute_pos_embed
        tokens = self.drop_after_pos(tokens)
        return tokens.view(tokens.shape[0], height, width, -1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """Blocks of one stage, ``[B, H_i, W_i, C_i]`` to the same shape."""
        height, width = x.shape[1:3]
        tokens = x.flatten(1, 2)
        for block in self.stages[index].blocks:
            tokens = block(tokens, (height, width))
        return tokens.view_as(x)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """Patch merging, ``[B, H_i, W_i, C_i]`` to ``[B, H_i/2, W_i/2, 2 C_i]``."""
        tokens, (height, width) = self.stages[index].downsample(
            v.flatten(1, 2), tuple(v.shape[1:3])
        )
        return tokens.view(tokens.shape[0], height, width, -1)

    def output(self, index: int, v: Tensor) -> Tensor:
        """Give what heads see of a stage without fusion: normalised, or as it is."""
        return getattr(self, f'norm{index}')(v) if self.out_indices else v
