# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Deformable attention against mmcv's reference, finite differences and a case by hand."""

import pytest
import torch
from mmcv.ops import multi_scale_deform_attn
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from torch import Tensor

from magnet_mm.models.layers import deformable_attention
from magnet_mm.models.layers.deformable_attention import kernel_deformable_attention
from magnet_mm.models.layers.sampled_attention import grid_sample_deformable_attention


def random_inputs(
    shapes: list[tuple[int, int]],
    batch: int = 2,
    queries: int = 7,
    heads: int = 2,
    channels: int = 3,
    points: int = 4,
) -> tuple[Tensor, Tensor, Tensor]:
    """Double leaves: value, locations in -0.5..1.5 (half of them outside), softmaxed weights."""
    positions = sum(h * w for h, w in shapes)
    value = torch.randn(batch, positions, heads, channels, dtype=torch.float64)
    locations = torch.rand(batch, queries, heads, len(shapes), points, 2, dtype=torch.float64)
    weights = torch.rand(batch, queries, heads, len(shapes) * points, dtype=torch.float64)
    weights = weights.softmax(-1).unflatten(-1, (len(shapes), points))
    locations = locations * 2 - 0.5
    return value.requires_grad_(), locations.requires_grad_(), weights.requires_grad_()


@pytest.mark.parametrize(
    'shapes',
    [[(4, 4)], [(3, 5)], [(1, 1), (2, 1)], [(2, 3), (4, 5), (7, 9), (13, 18)]],
    ids=str,
)
def test_value_and_gradients_equal_mmcv(shapes):
    inputs = random_inputs(shapes)
    ours = deformable_attention(inputs[0], shapes, inputs[1], inputs[2])
    reference = multi_scale_deformable_attn_pytorch(
        inputs[0], torch.tensor(shapes), inputs[1], inputs[2]
    )
    assert ours.shape == (2, 7, 6)
    torch.testing.assert_close(ours, reference, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(ours)
    our_gradients = torch.autograd.grad(ours, inputs, upstream)
    reference_gradients = torch.autograd.grad(reference, inputs, upstream)
    for gradient, expected in zip(our_gradients, reference_gradients, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)


def test_gradcheck():
    shapes = [(2, 3), (1, 2)]
    value, locations, weights = random_inputs(shapes, 1, 2, 2, 2, 2)
    assert torch.autograd.gradcheck(
        lambda v, loc, w: deformable_attention(v, shapes, loc, w), (value, locations, weights)
    )


def test_by_hand():
    # One 2x2 map with the values 1 2 / 3 4.
    value = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    # The centre (mean of all), the centre of the cell of 2, the left border (half outside,
    # between 1 and 3), a corner (a quarter of 1), and far outside.
    points = [(0.5, 0.5), (0.75, 0.25), (0.0, 0.5), (0.0, 0.0), (3.0, -3.0), (-1e12, 1e12)]
    locations = torch.tensor(points).view(1, 6, 1, 1, 1, 2).requires_grad_()
    out = deformable_attention(value, [(2, 2)], locations, torch.ones(1, 6, 1, 1, 1))
    assert out.flatten().tolist() == [2.5, 2.0, 1.0, 0.25, 0.0, 0.0]
    out.sum().backward()
    gradient = locations.grad.view(6, 2)
    # In the centre a step of one map is two cells: 2 * (2 - 1) across and 2 * (3 - 1) down.
    assert gradient[0].tolist() == [2.0, 4.0]
    assert gradient[4:].abs().max() == 0


def test_images_and_heads_do_not_mix():
    value, locations, weights = random_inputs([(3, 4)])
    with torch.no_grad():
        before = deformable_attention(value, [(3, 4)], locations, weights)
        value[1, :, 0] += 1.0  # head 0 of image 1: its first three output channels
        change = deformable_attention(value, [(3, 4)], locations, weights) - before
    assert change[0].abs().max() == 0
    assert change[1, :, 3:].abs().max() == 0
    assert change[1, :, :3].abs().max() > 0


def test_bfloat16_values_with_float32_locations():
    value, locations, weights = (
        tensor.detach().float() for tensor in random_inputs([(5, 6), (3, 3)])
    )
    exact = deformable_attention(value, [(5, 6), (3, 3)], locations, weights)
    low = deformable_attention(value.bfloat16(), [(5, 6), (3, 3)], locations, weights)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), exact, rtol=0.05, atol=0.02)


def test_bfloat16_gradients():
    leaves = [tensor.detach().float().requires_grad_() for tensor in random_inputs([(5, 6)])]

    def gradients(value: Tensor) -> tuple[Tensor, ...]:
        out = deformable_attention(value, [(5, 6)], leaves[1], leaves[2])
        return torch.autograd.grad(out.float().sum(), leaves)

    for low, exact in zip(gradients(leaves[0].bfloat16()), gradients(leaves[0]), strict=True):
        assert exact.abs().max() > 0
        torch.testing.assert_close(low, exact, rtol=0.05, atol=0.05 * exact.abs().max().item())


def test_only_the_gradients_that_are_needed():
    value, locations, weights = random_inputs([(3, 4)])
    full = deformable_attention(value, [(3, 4)], locations, weights).sum()
    expected = torch.autograd.grad(full, [value, weights])
    value_only = deformable_attention(value, [(3, 4)], locations.detach(), weights.detach()).sum()
    weights_only = deformable_attention(value.detach(), [(3, 4)], locations, weights).sum()
    torch.testing.assert_close(torch.autograd.grad(value_only, value)[0], expected[0])
    torch.testing.assert_close(torch.autograd.grad(weights_only, weights)[0], expected[1])


@pytest.mark.parametrize('shapes', [[(4, 4)], [(1, 1), (2, 1)], [(2, 3), (4, 5), (7, 9)]], ids=str)
def test_exported_form_is_the_same(shapes):
    inputs = [tensor.detach() for tensor in random_inputs(shapes)]
    expected = deformable_attention(inputs[0], shapes, inputs[1], inputs[2])
    got = grid_sample_deformable_attention(inputs[0], shapes, inputs[1], inputs[2])
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_recording_takes_the_exported_form():
    shapes = [(2, 3), (4, 5)]
    inputs = [tensor.detach() for tensor in random_inputs(shapes)]

    class Attention(torch.nn.Module):
        def forward(self, value, locations, weights):
            return deformable_attention(value, shapes, locations, weights)

    program = torch.export.export(Attention(), tuple(inputs))
    targets = {str(node.target) for node in program.graph.nodes}
    assert 'aten.grid_sampler.default' in targets
    assert not any('embedding_bag' in target for target in targets)


@pytest.mark.parametrize(
    ('attention', 'fullgraph'),
    [
        # The gather's gradient makes a sparse matrix, at which torch breaks the graph.
        (deformable_attention, False),
        (grid_sample_deformable_attention, True),
    ],
)
def test_compiled_forms_are_the_same(attention, fullgraph):
    shapes = [(2, 3), (4, 5)]
    inputs = random_inputs(shapes)
    torch._dynamo.reset()
    compiled = torch.compile(attention, backend='aot_eager', fullgraph=fullgraph)
    ours, expected = (form(inputs[0], shapes, *inputs[1:]) for form in (compiled, attention))
    torch.testing.assert_close(ours, expected)
    upstream = torch.randn_like(ours)
    found, right = (torch.autograd.grad(out, inputs, upstream) for out in (ours, expected))
    torch.testing.assert_close(found, right)


class StandInKernel:
    """mmcv's compiled operators, with the assertion of their source and torch's result."""

    def __init__(self) -> None:
        self.batches = []

    def _check(self, value, shapes, starts, im2col_step):
        batch = value.shape[0]
        step = min(batch, im2col_step)
        assert batch % step == 0, f'batch({batch}) must divide im2col_step({step})'
        assert starts.tolist() == [0, 6] and shapes.tolist() == [[2, 3], [1, 2]]
        self.batches.append(batch)

    def ms_deform_attn_forward(
        self, value, shapes, starts, locations, weights, im2col_step
    ):  # fmt: skip
        self._check(value, shapes, starts, im2col_step)
        return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)

    def ms_deform_attn_backward(
        self, value, shapes, starts, locations, weights, upstream, *gradients, im2col_step
    ):
        self._check(value, shapes, starts, im2col_step)
        leaves = [x.detach().requires_grad_() for x in (value, locations, weights)]
        with torch.enable_grad():
            out = multi_scale_deformable_attn_pytorch(leaves[0], shapes, *leaves[1:])
        for place, found in zip(gradients, torch.autograd.grad(out, leaves, upstream), strict=True):
            place.copy_(found)


@pytest.mark.parametrize('batch', [1, 7, 64, 65, 100, 127, 128, 200])
def test_truth_12_the_step_divides_every_batch(batch, monkeypatch):
    kernel, shapes = StandInKernel(), [(2, 3), (1, 2)]
    monkeypatch.setattr(multi_scale_deform_attn, 'ext_module', kernel)
    inputs = [x.detach().float().requires_grad_() for x in random_inputs(shapes, batch, 3)]
    ours = kernel_deformable_attention(inputs[0], shapes, *inputs[1:])
    upstream = torch.randn_like(ours)
    gradients = torch.autograd.grad(ours, inputs, upstream)
    calls = -(-batch // 64)  # no more than needed: a prime batch does not go one by one
    assert len(kernel.batches) == 2 * calls and sum(kernel.batches) == 2 * batch
    expected = deformable_attention(inputs[0], shapes, *inputs[1:])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    for found, right in zip(
        gradients, torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def test_truth_18_nothing_is_made_on_another_device():
    shapes, made = [(2, 3), (1, 2)], []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and out.device.type != 'meta':
                made.append(str(function))
            return out

    inputs = [x.detach().float().to('meta').requires_grad_() for x in random_inputs(shapes)]
    deformable_attention(inputs[0], shapes, *inputs[1:]).sum().backward()  # fills the cache
    with Watch():
        deformable_attention(inputs[0], shapes, *inputs[1:]).sum().backward()
    assert made == []
