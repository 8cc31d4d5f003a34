# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A shared model in a folder, and a stand-in of the Hugging Face hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hub_stand_in import HubStandIn

from magnet_mm.apis import ReferringSegInferencer

SCORES = dict(val={'oIoU': 71.234, 'P@0.9': 25.0}, val_blank={'oIoU': 18.5})


@pytest.fixture(scope='session')
def inferencer(random_weights) -> ReferringSegInferencer:
    return ReferringSegInferencer('magnet_tiny_refshapes', random_weights, device='cpu')


@pytest.fixture(scope='session')
def shared(inferencer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('shared') / 'model'
    return inferencer.save_pretrained(folder, scores=SCORES, license='apache-2.0')


@pytest.fixture
def edited(shared, tmp_path):
    """Call it with a function that changes config.json; returns a folder with the change."""

    def edit(change) -> Path:
        folder = Path(shutil.copytree(shared, tmp_path / 'edited', dirs_exist_ok=True))
        config = json.loads((folder / 'config.json').read_text())
        change(config)
        (folder / 'config.json').write_text(json.dumps(config))
        return folder

    return edit


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubStandIn() as running:
        for name in ('huggingface_hub.constants', 'huggingface_hub.hf_api'):
            monkeypatch.setattr(f'{name}.ENDPOINT', running.url, raising=False)
        monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE',
                            running.url + '/{repo_id}/resolve/{revision}/{filename}')  # fmt: skip
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path / 'cache'))
        monkeypatch.setenv('NO_PROXY', '127.0.0.1')
        yield running
