# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The hub's own client against a server on this machine: up, down, and what is refused."""

import numpy as np
import pytest
import torch

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.errors import ConfigError
from magnet_mm.sharing.hub import is_hub_name


def test_up_and_down_again(inferencer, hub):
    url = inferencer.push_to_hub('owner/small', token='hf_x', license='apache-2.0')
    assert url == f'{hub.url}/owner/small/commit/{hub.revision("owner/small")}'
    files = hub.files['owner/small']
    assert set(files) == {
        'README.md', 'config.json', 'model.safetensors',
        'tokenizer/tokenizer.json', 'tokenizer/tokenizer_config.json',
    }  # fmt: skip
    assert b"ReferringSegInferencer('owner/small')" in files['README.md']

    files['evil.py'] = files['model.pth'] = b'raise SystemExit'
    for name in ('owner/small', 'owner/small@main'):
        other = ReferringSegInferencer(name, device='cpu')
        assert other.name == 'magnet_tiny_refshapes'
        for key, value in inferencer.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[key])
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    (one,), (two,) = inferencer(image, 'the red circle'), other(image, 'the red circle')
    np.testing.assert_array_equal(one.mask, two.mask)
    asked = [path for kind, path in hub.requests if kind == 'GET']
    assert not any('evil' in path or '.pth' in path for path in asked)  # not even downloaded


def test_what_the_hub_does_not_have(hub):
    with pytest.raises(ConfigError, match='owner/absent is no folder here.*RepositoryNotFound'):
        ReferringSegInferencer('owner/absent')


def test_an_upload_that_fails(shared, inferencer):
    with pytest.raises(ConfigError, match='a name with blanks was not uploaded'):
        inferencer.push_to_hub('a name with blanks')


def test_names():
    assert all(map(is_hub_name, ('a/b', 'a-b/c.d_e', 'a/b@main', 'a/b@refs/pr/1')))
    assert not any(map(is_hub_name, ('a', 'a/b/c', '/a/b', 'a/b@', '../a b/c', 'http://a/b')))
