# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""An inferencer's model, written as a folder and uploaded to the hub (docs/sharing.md)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from magnet_mm.sharing import SharedModel, push_folder, write_folder
from magnet_mm.sharing.model_card import CardText


class Shareable:
    """What :class:`magnet_mm.apis.ReferringSegInferencer` does with its own model."""

    @property
    def name(self) -> str:
        """What the model is called: a shared one's own name, or its config's."""
        filename = getattr(self.cfg, 'filename', None)
        return self.cfg.get('shared_name') or (Path(filename).stem if filename else 'model')

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        name: str | None = None,
        scores: dict[str, Any] | None = None,
        half: bool = False,
        **card: str,
    ) -> Path:
        """Write the model into a folder of data that opens anywhere (docs/sharing.md).

        Args:
            folder: Where to; it must not exist, or be empty.
            name: What the model is called; by default as its config.
            scores: Scores in percent by split, as ``tools/test.py --json`` writes them.
            half: Round the weights to float16.
            **card: ``license`` and ``training``, see
                :class:`magnet_mm.sharing.model_card.CardText`.

        Raises:
            ConfigError: The folder holds something, or the config what is no data.
        """
        folder = Path(folder)
        name = name or self.name
        dataset = self.cfg.test_dataloader.dataset
        shared = SharedModel(
            name=name,
            network=self.model,
            model=self.cfg.model,
            pipeline=self.pipeline.steps,
            tokenizer=self.pipeline.tokenizer,
            dataset_name=dataset.get('dataset_name'),
            scores=scores or {},
            card=CardText(**{'identifier': folder.name, **card}),
        )
        return write_folder(folder, shared, half)

    def push_to_hub(
        self, repository: str, private: bool = False, token: str | None = None, **kwargs: Any
    ) -> str:
        """Upload the model to the Hugging Face hub, as one commit.

        Args:
            repository: ``owner/name``.
            private: Whether a new repository is private.
            token: By default that of ``hf auth login``.
            **kwargs: Of :meth:`save_pretrained`.

        Returns:
            The address of the commit.

        Raises:
            ConfigError: The hub refused, or could not be reached.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(
                Path(temporary) / 'model', **{'identifier': repository, **kwargs}
            )
            return push_folder(folder, repository, private, token)
