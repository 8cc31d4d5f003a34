# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The LSTM of TensorFlow's BasicLSTMCell: forget bias 1, and padding that changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magnet_mm.models.layers.precision import no_autocast


class ForgetBiasLSTM(nn.LSTM):
    """One layer, one direction; the padding may stand on either side, or between the words.

    torch's LSTM (gate order i, f, g, o) with the forget bias inside ``bias_ih``, the one bias that
    is learned; ``bias_hh`` stays 0.

    Args:
        input_size: channels of the words.
        hidden_size: channels of the output.
        forget_bias: what is added to the forget gate's bias when it is made; 1 [C] CMPC, LSCM.
    """

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)
        joint = torch.empty(4 * hidden_size, input_size + hidden_size)  # one kernel [C]
        nn.init.xavier_uniform_(joint)
        with torch.no_grad():
            self.weight_ih_l0.copy_(joint[:, :input_size])
            self.weight_hh_l0.copy_(joint[:, input_size:])
            self.bias_ih_l0.zero_()[hidden_size : 2 * hidden_size] = forget_bias
            self.bias_hh_l0.zero_().requires_grad_(False)

    def forward(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read the real words alone.

        Args:
            words: ``[B, T, C]``.
            mask: ``[B, T]``, 1 for real words.

        Returns:
            Outputs ``[B, T, H]``, 0 at padding, and the last state ``[B, H]``, 0 without a word.
        """
        # Real words first, in their order: what stands behind them cannot change them. Counted, not
        # sorted, because ONNX has no stable sort.
        real, count = mask.cumsum(1), mask.sum(1, keepdim=True)
        place = torch.where(mask > 0, real - 1, count + (1 - mask).cumsum(1) - 1)
        position = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        order = torch.zeros_like(position).scatter(1, place, position)
        with no_autocast(words):  # torch has no LSTM in float16 on the CPU
            wide = words.to(self.weight_ih_l0.dtype)
            outputs, _ = super().forward(_rows(wide, order))
        outputs = outputs * mask.gather(1, order).unsqueeze(-1).to(outputs.dtype)
        last = (mask.sum(1) - 1).clamp(min=0)
        state = outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[2])).squeeze(1)
        return _rows(outputs, place), state


def _rows(values: Tensor, order: Tensor) -> Tensor:
    return values.gather(1, order.unsqueeze(-1).expand(-1, -1, values.shape[2]))
