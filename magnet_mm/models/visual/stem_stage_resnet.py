# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ResNet whose stem is a stage too: five maps, strides 2, 4, 8, 16, 16 (docs/methods/efn.md)."""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.models.backbones.resnet import Bottleneck
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.visual.pretrained_visual import PretrainedVisual


class WideBottleneck(Bottleneck):
    """Bottleneck with inner widths twice as large; what leaves it is as wide as ever."""

    expansion = 2


@MODELS.register_module()
class StemStageResNet(PretrainedVisual, ResNet):
    """torchvision's ResNet v1.5 as EFN runs it [C]: the last stage has stride 1, without dilation.

    Stage 0 is the stem (convolution, norm, ReLU; stride 2), stage 1 the pooling and the first
    residual stage, and so on. torchvision's weights fit as they are.

    Args:
        depth: 18, 34, 50, 101 or 152.
        wide: torchvision's ``wide_resnet``: the 3x3 convolutions are twice as wide.
        base_channels: width of the stem; 64 in torchvision.
        input_norm: a batch norm of the raw pixels stands in front, and nothing else normalises
            them [C].
        **kwargs: of mmseg's ``ResNet``, e.g. ``init_cfg``, ``norm_cfg``, ``norm_eval``.

    Raises:
        ConfigError: for a wide network of depth 18 or 34, which have no bottlenecks.
    """

    fresh = ('input_norm',)  # weights from ImageNet do not have it

    def __init__(
        self,
        depth: int,
        wide: bool = False,
        base_channels: int = 64,
        input_norm: bool = True,
        **kwargs,
    ) -> None:
        if wide:
            block, blocks = ResNet.arch_settings.get(depth, (None, ()))
            if block is not Bottleneck:
                raise ConfigError(
                    f'StemStageResNet: a wide network of depth {depth} does not exist; wide ones '
                    'have bottlenecks, depth 50, 101 or 152.'
                )
            self.arch_settings = {depth: (WideBottleneck, blocks)}
        super().__init__(
            depth=depth,
            stem_channels=base_channels,
            base_channels=base_channels * (2 if wide else 1),
            strides=(1, 2, 2, 1),
            **kwargs,
        )
        self.input_norm = nn.BatchNorm2d(3) if input_norm else nn.Identity()
        self.channels: tuple[int, ...] = (
            base_channels,
            *(
                self.base_channels * 2**index * self.block.expansion
                for index in range(len(self.res_layers))
            ),
        )

    def embed(self, images: Tensor) -> Tensor:
        """Pixels ``[B, 3, H, W]`` to normalised pixels ``[B, H, W, 3]``."""
        return self.input_norm(images).permute(0, 2, 3, 1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """Stem (index 0) or residual stage, ``[B, H, W, C]`` to ``[B, H_i, W_i, C_i]``."""
        x = x.permute(0, 3, 1, 2)
        if index == 0:
            x = self.relu(self.norm1(self.conv1(x)))
        else:
            x = self.maxpool(x) if index == 1 else x
            x = getattr(self, self.res_layers[index - 1])(x)
        return x.permute(0, 2, 3, 1)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """``V_i`` as it is: the next stage strides itself."""
        return v
