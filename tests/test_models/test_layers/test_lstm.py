# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LSTM with forget bias against BasicLSTMCell written as a loop, over one sentence at a time."""

import pytest
import torch

from magnet_mm.models.layers.lstm import ForgetBiasLSTM


def one_sentence(lstm: ForgetBiasLSTM, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gates i, j, f, o from one kernel; 1 is added to f; ``[n, C]`` to outputs and state."""
    size = lstm.hidden_size
    i, f, j, o = torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], 1).split(size)
    kernel = torch.cat([i, j, f, o])
    bi, bf, bj, bo = lstm.bias_ih_l0.split(size)
    bias = torch.cat([bi, bj, bf - 1, bo])
    cell, hidden, outputs = torch.zeros(size), torch.zeros(size), []
    for word in words:
        i, j, f, o = (kernel @ torch.cat([word, hidden]) + bias).split(size)
        cell = (f + 1).sigmoid() * cell + i.sigmoid() * j.tanh()
        hidden = o.sigmoid() * cell.tanh()
        outputs.append(hidden)
    return torch.stack(outputs) if outputs else torch.zeros(0, size), hidden


@pytest.mark.parametrize('lengths', [(3, 5, 1), (0, 2, 5)])
@pytest.mark.parametrize('padding', ['front', 'end'])
def test_against_a_loop(padding, lengths):
    lstm = ForgetBiasLSTM(4, 6)
    torch.nn.init.normal_(lstm.bias_ih_l0)
    words = torch.randn(3, 5, 4)
    mask = torch.zeros(3, 5, dtype=torch.long)
    for row, length in zip(mask, lengths, strict=True):
        row[slice(5 - length, 5) if padding == 'front' else slice(0, length)] = 1
    outputs, state = lstm(words, mask)
    for index in range(3):
        real = mask[index].bool()
        expected, last = one_sentence(lstm, words[index, real])
        torch.testing.assert_close(outputs[index, real], expected)
        torch.testing.assert_close(state[index], last)
        assert (outputs[index, ~real] == 0).all()


def test_start_and_gradients():
    lstm = ForgetBiasLSTM(2, 3)
    assert lstm.bias_ih_l0.tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert not lstm.bias_hh_l0.requires_grad and lstm.bias_hh_l0.abs().sum() == 0
    outputs, state = lstm(torch.randn(2, 4, 2), torch.tensor([[0, 1, 1, 1], [0, 0, 0, 0]]))
    (outputs.sum() + state.sum()).backward()
    for name, value in lstm.named_parameters():
        if value.requires_grad:
            assert value.grad.isfinite().all() and value.grad.abs().sum() > 0, name
