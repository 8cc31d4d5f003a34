# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Count the parameters and operations of a config's model, part by part.

    python tools/analysis_tools/get_flops.py configs/magnet_swinb_refcoco.py --shape 480 480

Operations are those of one image and one sentence through ``predict_logits``, counted by torch's
``FlopCounterMode``: matrix products, convolutions and attention, wherever they happen (a counter
that hooks layers misses Swin's window attention). One multiply-accumulate (MAC) is two FLOPs. No
number is computed: the model runs on torch's ``meta`` device, without weights.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from magnet_mm.released import build_model  # noqa: E402


@dataclass
class Cost:
    """Parameters and multiply-accumulates of one part."""

    parameters: int = 0
    macs: int = 0


class _Network(nn.Module):
    """Gives ``predict_logits`` a ``forward``, so that the counter sees the whole module tree."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.predict_logits(images, input_ids, attention_mask)


def part_of(name: str) -> str:
    """Return the part a parameter or module belongs to, from its dotted name inside the model.

    The stages of an encoder are added up: ``backbone.fusion.2.pwam.key`` is ``fusion: pwam``.
    """
    pieces = name.split('.')
    if pieces[0] == 'auxiliary_head':
        return f'auxiliary head {pieces[1]} (training only)'
    if pieces[0] == 'backbone' and len(pieces) > 1:
        if pieces[1] == 'fusion' and len(pieces) > 3:
            return f'fusion: {pieces[3]}'
        return pieces[1]
    if pieces[0] == 'decode_head' and len(pieces) > 1:
        return f'decode head: {pieces[1]}'
    return pieces[0] or 'outside of all parts'


def count_costs(model: nn.Module, shape: tuple[int, int], tokens: int) -> dict[str, Cost]:
    """Cost of every part; the model is moved to the ``meta`` device.

    Args:
        model: a segmentor with ``predict_logits``.
        shape: image height and width in pixels.
        tokens: length of the padded sentence.
    """
    # torch's module tracker registers gradient hooks on everything that requires a gradient.
    network = _Network(model.to('meta').eval().requires_grad_(False))
    text = torch.ones(1, tokens, dtype=torch.int64, device='meta')
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, *shape, device='meta'), text, text)

    costs: dict[str, Cost] = defaultdict(Cost)
    for name, parameter in model.named_parameters():
        costs[part_of(name)].parameters += parameter.numel()
    root = type(network).__name__
    flops = {
        name.removeprefix(root).removeprefix('.model').removeprefix('.'): sum(operations.values())
        for name, operations in counter.get_flop_counts().items()
        if name.split('.')[0] == root
    }
    for name, count in flops.items():
        # What a module's own forward does, without its submodules', goes to the module's part.
        inside = sum(
            other for child, other in flops.items() if _nearest_ancestor(child, flops) == name
        )
        costs[part_of(name)].macs += (count - inside) // 2
    return {name: cost for name, cost in costs.items() if cost.parameters or cost.macs}


def _nearest_ancestor(name: str, known: dict[str, int]) -> str | None:
    while name:
        name = name.rpartition('.')[0]
        if name in known:
            return name
    return None


def format_costs(costs: dict[str, Cost], title: str) -> str:
    """Return a table, largest operation counts first, with the total below."""
    rows = sorted(costs.items(), key=lambda item: (-item[1].macs, item[0]))
    total = Cost(sum(c.parameters for c in costs.values()), sum(c.macs for c in costs.values()))
    width = max(len(name) for name in costs) + 2
    lines = [title, f'{"part":<{width}}{"parameters":>15}{"GMACs":>10}']
    for name, cost in [*rows, ('total', total)]:
        lines.append(f'{name:<{width}}{cost.parameters:>15,}{cost.macs / 1e9:>10.2f}')
    training_only = sum(c.parameters for n, c in costs.items() if n.startswith('auxiliary head'))
    lines.append(f'Parameters without training-only heads: {total.parameters - training_only:,}.')
    lines.append(
        f'Matrix products: {total.macs / 1e9:.2f} GMACs (multiply-accumulates) = '
        f'{2 * total.macs / 1e9:.2f} GFLOPs.'
    )
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of the model')
    parser.add_argument(
        '--shape', type=int, nargs=2, default=(480, 480), metavar=('H', 'W'), help='image size'
    )
    parser.add_argument('--tokens', type=int, default=20, help='sentence length (default 20)')
    args = parser.parse_args(arguments)
    if not args.config.is_file():
        parser.error(f'the config {args.config} does not exist')
    if min(args.shape) < 1 or args.tokens < 2:
        parser.error('--shape and --tokens should be positive, with [CLS] and [SEP] in --tokens')
    costs = count_costs(build_model(args.config), tuple(args.shape), args.tokens)
    size = f'{args.shape[0]}x{args.shape[1]} pixels, {args.tokens} tokens'
    print(format_costs(costs, f'{args.config.name}, one image of {size}'))


if __name__ == '__main__':
    main()
