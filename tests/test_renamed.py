# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Old registry names."""

import pytest
from mmengine.registry import Registry

from magnet_mm.renamed import OLD_NAMES, keep_old_name


class NewName:
    derived_arguments = ('channels',)

    def __init__(self, channels: int, width: int = 3) -> None:
        self.sizes = (channels, width)


def test_an_old_name_warns_and_builds_the_new_class():
    registry = Registry('part')
    registry.register_module(module=NewName)
    keep_old_name(registry, 'OldName', 'NewName')
    with pytest.warns(DeprecationWarning, match="OldName is now called NewName.*type='NewName'"):
        built = registry.build(dict(type='OldName', channels=2, width=5))
    assert type(built) is NewName and built.sizes == (2, 5)
    assert registry.get('OldName').derived_arguments == ('channels',)


@pytest.mark.parametrize(
    ('registry', 'old', 'new'),
    [(registry, *pair) for registry, names in OLD_NAMES for pair in names.items()],
)
def test_every_old_name_leads_to_a_registered_class(registry, old, new):
    assert old != new
    assert issubclass(registry.get(old), registry.get(new))
