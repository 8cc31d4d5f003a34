# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Whatever stands in the files, the checker reports and does not crash."""

import json
import pickle
import random

import pytest

from magnet_mm.data_tools.checking.command_line import main

STRANGE = [
    None, True, -1, 0, 10**400, 1e308, float('nan'), '', '[/red]', '\0', '../x', 'ü', [], {},
    [[]], [{}], {'id': []}, [1, [2]], {'size': [1, 1], 'counts': 'x'}, [[0, 0, 1e300, 0, 1, 1]],
]  # fmt: skip


def change_somewhere(value, generator, depth):
    """Replaces one value at a random place."""
    while depth > 1 and isinstance(value, list | dict) and value:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = generator.choice(list(keys))
        if depth == 2 or not isinstance(value[key], list | dict) or not value[key]:
            value[key] = generator.choice(STRANGE)
            return
        value, depth = value[key], depth - 1


@pytest.mark.parametrize('seed', range(6))
def test_no_value_crashes_the_checker(root, seed, capsys):
    generator = random.Random(seed)
    instances = root / 'refshapes' / 'instances.json'
    refs = root / 'refshapes' / 'refs(unc).p'
    summary = root / 'refshapes' / 'summary.json'
    sound = instances.read_text(), refs.read_bytes(), summary.read_text()
    failed = 0
    for _ in range(12):
        contents = json.loads(sound[0]), pickle.loads(sound[1]), json.loads(sound[2])
        change_somewhere(generator.choice(contents), generator, generator.randint(2, 6))
        instances.write_text(json.dumps(contents[0]))
        refs.write_bytes(pickle.dumps(contents[1], 2))
        summary.write_text(json.dumps(contents[2]))
        failed += main([str(root), '--images', '--json', str(root / 'result.json')])
        json.loads((root / 'result.json').read_text())
    assert failed  # most changes are errors; some (a word, a box) are not
    capsys.readouterr()


@pytest.mark.parametrize('seed', range(3))
def test_nor_does_a_strange_line(tmp_path, seed, capsys):
    generator = random.Random(seed)
    line = dict(image='a.png', expression='x', mask=[0, 0, 4, 0, 4, 4], ref_id=1, kind='k')
    for _ in range(12):
        changed = {**line, generator.choice(list(line)): generator.choice(STRANGE)}
        (tmp_path / 'own.jsonl').write_text(json.dumps(changed))
        assert main([str(tmp_path)]) == 1  # there is no a.png, whatever else is wrong
    capsys.readouterr()
