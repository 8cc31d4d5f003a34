# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReLA's head: region queries that look at image, words and each other (GRES, CVPR 2023).

Source: the released code, docs/methods/rela.md. ``Q`` regions, ``C`` channels, ``M`` mask feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models.layers import Mask2FormerTransformerDecoder
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.deformable_pixel_decoder import DeformablePixelDecoder
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


class RegionOutput(NamedTuple):
    """What the regions say after a layer.

    Attributes:
        masks: target logits ``[B, 2, h, w]``, background and object.
        minimap: ``[B, Q, 2]``, whether the object lies in a region's cell.
        no_target: ``[B, 2]``, something and nothing is meant.
        embedding: ``[B, Q, C]``, ``R``; times ``M`` it is the mask of each region.
    """

    masks: Tensor
    minimap: Tensor
    no_target: Tensor
    embedding: Tensor


class RegionPredictions(nn.Module):
    """The small heads of all regions, the same after every layer.

    ``f = LN(o)``, ``R = MLP(f)``, ``c = Linear(f)``, ``t_k = sum_q c_qk R_q``, ``Y_k = <t_k, M>``.

    Args:
        channels: ``C``.
        norm: the decoder's last norm.
    """

    def __init__(self, channels: int, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mask_embed = _mlp(channels, channels, channels, channels)
        self.minimap_embed = nn.Linear(channels, 2)
        self.no_target_embed = _mlp(channels, channels, 2)

    def forward(self, regions: Tensor, mask_feature: Tensor) -> RegionOutput:
        """``[B, Q, C]`` and ``M [B, C, h, w]``."""
        regions = self.norm(regions)
        embedding, minimap = self.mask_embed(regions), self.minimap_embed(regions)
        target = torch.einsum('bqk,bqc->bkc', minimap, embedding)
        masks = torch.einsum('bkc,bchw->bkhw', target, mask_feature)
        return RegionOutput(masks, minimap, self.no_target_embed(regions).mean(1), embedding)


class RegionLanguageAttention(nn.Module):
    """What the regions take from the words: ``o + 0.1 sigmoid(w) LN(o + MHA(o, L, L))``.

    Padded words take part, and ``o`` itself is in what is added, as released [C].

    Args:
        channels: ``C``.
        text_channels: ``D``.
        num_heads: attention heads.
    """

    def __init__(self, channels: int, text_channels: int, num_heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(text_channels, channels, bias=False)
        nn.init.zeros_(self.project.weight)  # [C]
        self.attention = nn.MultiheadAttention(channels, num_heads, batch_first=True)
        self.norm = nn.LayerNorm(channels)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, regions: Tensor, words: Tensor) -> Tensor:
        """``[B, Q, C]`` and ``[B, T, D]`` to ``[B, Q, C]``."""
        words = self.project(words)
        said = self.attention(regions, words, words, need_weights=False)[0]
        return regions + 0.1 * self.weight.sigmoid() * self.norm(regions + said)


@MODELS.register_module()
class ReLAHead(BaseModule):
    """A grid of regions finds the object, or says that there is none.

    Composed of mmdet's pixel decoder (three levels inside, an FPN on stride 4) and of the layers of
    its Mask2Former decoder; the words enter between the first layer's attentions.

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        text_channels: ``D``, filled in by the segmentor.
        grid: side of the region grid; 10, that is 100 regions [C].
        channels: ``C``; 256 [C].
        num_heads: attention heads; 8 [C].
        encoder_layers: deformable encoder layers of the pixel decoder; 6 [C].
        decoder_layers: layers of the decoder; 9 [C].
        ffn_channels: FFN widths of encoder and decoder; 1024 and 2048 [C].
        loss: config of the cross-entropy of all three terms (class weights 0.9 and 1.1 [C]).
        loss_weights: of masks, minimap and no-target answer; 5, 0.5 and 0.5 [C].
    """

    derived_arguments = ('text_channels',)
    num_classes = 2
    out_channels = 2
    align_corners = False
    foreground = ForegroundRule('argmax', align_corners=False)
    answers_no_target = True

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        grid: int = 10,
        channels: int = 256,
        num_heads: int = 8,
        encoder_layers: int = 6,
        decoder_layers: int = 9,
        ffn_channels: tuple[int, int] = (1024, 2048),
        loss: dict | None = None,
        loss_weights: tuple[float, float, float] = (5.0, 0.5, 0.5),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pixel_decoder = DeformablePixelDecoder(
            in_channels, channels, encoder_layers, num_heads, ffn_channels[0], encoder_levels=3
        )
        decoder = Mask2FormerTransformerDecoder(
            num_layers=decoder_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                cross_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                ffn_cfg=dict(embed_dims=channels, feedforward_channels=ffn_channels[1]),
            ),
        )
        self.layers = decoder.layers
        self.language = RegionLanguageAttention(channels, text_channels, num_heads)
        self.predictions = RegionPredictions(channels, decoder.post_norm)
        self.grid, self.num_heads, self.pixel_channels = grid, num_heads, channels
        self.query_feat = nn.Embedding(grid**2, channels)
        self.query_embed = nn.Embedding(grid**2, channels)
        self.level_embed = nn.Embedding(self.pixel_decoder.num_outs, channels)
        self.loss_term = MODELS.build(loss) if loss else None
        self.loss_weights = loss_weights

    def init_weights(self) -> None:
        """Initialise as mmdet, the decoder's matrices by Xavier [C]; or as ``init_cfg`` says."""
        if self.init_cfg:
            super().init_weights()
            return
        self.pixel_decoder.init_weights()
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 2, H/4, W/4]`` and the no-target answer."""
        last = self.decode(features)
        return Prediction(last.masks, last.no_target[:, 1] - last.no_target[:, 0])

    def decode(self, features: CrossModalFeatures) -> RegionOutput:
        """Decode: what the regions say after the last layer.

        Leaves the mask feature in ``features.pixel_embedding`` for the auxiliary heads.
        """
        mask_feature, memories = self.pixel_decoder(features.visual)
        features.pixel_embedding = mask_feature
        batch = mask_feature.shape[0]
        regions = self.query_feat.weight.expand(batch, -1, -1)
        places = self.query_embed.weight.expand(batch, -1, -1)
        keys = [
            memory.flatten(2).transpose(1, 2) + level
            for memory, level in zip(memories, self.level_embed.weight, strict=True)
        ]
        shapes = [tuple(memory.shape[2:]) for memory in memories]
        positions = [self.pixel_decoder.position(shape, mask_feature) for shape in shapes]
        said = self.predictions(regions, mask_feature)
        for index, layer in enumerate(self.layers):
            level = index % len(shapes)
            regions = layer.norms[0](
                layer.cross_attn(
                    query=regions,
                    key=keys[level],
                    value=keys[level],
                    query_pos=places,
                    key_pos=positions[level].expand(batch, -1, -1),
                    attn_mask=self._blocked(said.embedding, mask_feature, shapes[level]),
                )
            )
            if index == 0:
                regions = self.language(regions, features.words)
            regions = layer.norms[1](
                layer.self_attn(
                    query=regions, key=regions, value=regions, query_pos=places, key_pos=places
                )
            )
            regions = layer.norms[2](layer.ffn(regions))
            said = self.predictions(regions, mask_feature)
        return said

    def _blocked(self, embedding: Tensor, mask_feature: Tensor, shape: tuple[int, int]) -> Tensor:
        """Block pixels outside a region's mask: ``[B * heads, Q, h * w]``; none if all would be."""
        masks = torch.einsum('bqc,bchw->bqhw', embedding.detach(), mask_feature.detach())
        masks = F.interpolate(masks, shape, mode='bilinear', align_corners=False).flatten(2)
        blocked = masks < 0
        blocked = blocked & ~blocked.all(-1, keepdim=True)
        return blocked.repeat_interleave(self.num_heads, dim=0)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_mask``, ``loss_minimap`` and ``loss_no_target`` of the last layer [C]."""
        said = self.decode(features)
        masks = stack_masks(batch_data_samples)
        upsampled = F.interpolate(
            said.masks.float(), masks.shape[2:], mode='bilinear', align_corners=False
        )
        empty = ~masks.flatten(1).any(1)
        terms = (
            (upsampled, masks[:, 0].long()),
            (said.minimap.float().transpose(1, 2), minimap_target(masks, self.grid)),
            (said.no_target.float(), empty.long()),
        )
        names = ('loss_mask', 'loss_minimap', 'loss_no_target')
        return {
            name: weight * self.loss_term(logits, target)
            for name, weight, (logits, target) in zip(names, self.loss_weights, terms, strict=True)
        }


def minimap_target(masks: Tensor, grid: int) -> Tensor:
    """Cells of the grid whose centre lies inside the object, int64 ``[B, grid * grid]``.

    The mask ``[B, 1, H, W]`` is resized bilinearly without antialiasing and truncated, so all
    pixels around the centre must be the object's [C].
    """
    return F.interpolate(masks, (grid, grid), mode='bilinear').flatten(1).long()


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with ReLU between."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
