# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmengine's checkpoint hook, with an order of writing and removing that loses nothing."""

from __future__ import annotations

import os.path as osp
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop
from mmseg.registry import HOOKS

from magnet_mm.atomic_files import remove_abandoned, write_atomically
from magnet_mm.engine.checkpointing.atomic_files import BACKEND
from magnet_mm.engine.checkpointing.folder_lock import lock_folder, unlock_folder
from magnet_mm.engine.checkpointing.resume_point import POINTER
from magnet_mm.errors import ConfigError

_SUPERSEDED = 'superseded_ckpts'
_BEST = 'best_ckpt'  # and best_ckpt_<metric>, where there are several


@HOOKS.register_module()
class DurableCheckpointHook(CheckpointHook):
    """Saves checkpoints so that a crash at any moment, or a full disk, leaves the last good one.

    - A file is written under another name, forced to disk and renamed, ``last_checkpoint`` too.
    - The previous last and best checkpoints are removed after the new ones are in place (mmengine
      removes them before), so there must be room for one more than ``max_keep_ckpts``.
    - What a killed run could not remove any more, and its unfinished files, the resumed one does.
    - Files are written and removed in the run's own folders alone: a run that goes on from another
      work dir leaves that one as it is, a copied work dir goes on with its own files.
    - The work dir is locked while a training runs in it.

    Args:
        **kwargs: Those of mmengine's ``CheckpointHook``. ``backend_args`` defaults to the atomic
            backend for local folders; a remote folder keeps its own backend.

    Raises:
        ConfigError: For an argument that ``CheckpointHook`` does not have (it would fail at the
            first save).
    """

    def __init__(self, **kwargs: Any) -> None:
        """See the class."""
        super().__init__(**kwargs)
        if self.args:
            raise ConfigError(
                f'The checkpoint hook has no argument {", ".join(map(repr, self.args))}. Correct '
                'default_hooks.checkpoint in the config.'
            )

    def before_run(self, runner: Any) -> None:
        """Lock the work dir for a training.

        Raises:
            ConfigError: If another training runs in it.
        """
        # a built train loop means Runner.train(); Runner.test() never builds it
        if isinstance(runner._train_loop, BaseLoop) and is_main_process():
            lock_folder(runner.work_dir)

    def before_train(self, runner: Any) -> None:
        """Prepare the folder: mmengine's part, then remove what a killed run left behind."""
        folder = str(self.out_dir or runner.work_dir)
        local = '://' not in folder
        if self.backend_args is None and self.file_client_args is None and local:
            self.backend_args = dict(backend=BACKEND)
        if self.out_dir is not None and osp.normpath(folder) != osp.normpath(runner.work_dir):
            folder = osp.join(folder, osp.basename(runner.work_dir.rstrip(osp.sep)))  # as mmengine
        if local and is_main_process():
            lock_folder(folder)
        if local:
            adopt_record(runner, folder)
        super().before_train(runner)
        self.file_backend = _RemoveLater(self.file_backend)
        # Of the run that is resumed: its file must get the score of a validation that is repeated.
        self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if is_main_process() and local:
            self._remove_leftovers(runner)

    def after_run(self, runner: Any) -> None:
        """Let go of the folders."""
        unlock_folder(runner.work_dir)
        if self.out_dir is not None:
            unlock_folder(self.out_dir)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        """Save the last checkpoint and name it in ``last_checkpoint``; then remove older ones."""
        if self.max_keep_ckpts > 0 and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                self.file_backend.remove(self._path(self.keep_ckpt_ids[0]))
            self.keep_ckpt_ids.append(step)  # drops its first one when it is full
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self.last_ckpt = self._path(step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.message_hub.update_info(_SUPERSEDED, self.file_backend.superseded)
        runner.save_checkpoint(
            self.out_dir,
            osp.basename(self.last_ckpt),
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_atomically(osp.join(runner.work_dir, POINTER), self.last_ckpt.encode())
            self.file_backend.remove_now(keep=self.last_ckpt)

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        """Save the best checkpoint if it is one; then remove the previous best."""
        super()._save_best_checkpoint(runner, metrics)
        if is_main_process():  # nothing is left to do, unless no last checkpoint is saved at all
            self.file_backend.remove_now(keep=getattr(self, 'best_ckpt_path', None))

    def _path(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))

    def _remove_leftovers(self, runner: Any) -> None:
        """Remove unfinished files, and what the run would have removed next when it was killed."""
        info = runner.message_hub.runtime_info
        used = [info.get('last_ckpt'), runner._load_from]
        used += [path for key, path in info.items() if key.startswith(_BEST)]
        used = {osp.realpath(path) for path in used if path}
        removed = [
            path for folder in {self.out_dir, runner.work_dir} for path in _abandoned(folder)
        ]
        for path in info.get(_SUPERSEDED, ()):
            if osp.realpath(path) not in used and osp.isfile(path):
                self.file_backend.remove(path)
                removed.append(path)
        self.file_backend.remove_now()
        for path in removed:
            runner.logger.info(f'{path}, left behind by an interrupted run, is removed.')


def adopt_record(runner: Any, folder: str) -> None:
    """Make what the resumed checkpoint recorded about files speak of this run's own folder.

    The record holds paths: of the best checkpoint, of the last one, of those to remove next. Where
    the checkpoint lies in the run's own folder, they become the files of the same name there (the
    folder may be a copy). Where it lies elsewhere, the files of that run are none of this run's
    business: they are forgotten. A best checkpoint that is not here loses its score too, so that
    the next validation saves one.

    Args:
        runner: A runner that has resumed, or not.
        folder: Where this run writes its checkpoints.
    """
    info = runner.message_hub.runtime_info
    source = runner._load_from
    own = source is not None and osp.dirname(osp.realpath(source)) in {
        osp.realpath(folder),
        osp.realpath(runner.work_dir),
    }

    def here(path: str) -> str:
        return osp.join(folder, osp.basename(path))

    for key in [key for key in info if key.startswith(_BEST) and info[key]]:
        best = info[key]
        if own and osp.exists(here(best)):
            info[key] = here(best)
            continue
        runner.logger.warning(
            f'The best checkpoint {best} is not in {folder}; its score is forgotten, so that the '
            'next validation saves one here.'
        )
        info.pop(key)
        info.pop(key.replace(_BEST, 'best_score', 1), None)
    if info.get('last_ckpt'):
        info['last_ckpt'] = here(info['last_ckpt'])
    if _SUPERSEDED in info:
        info[_SUPERSEDED] = [here(path) for path in info[_SUPERSEDED]] if own else []
    if 'keep_ckpt_ids' in info and not own:
        info['keep_ckpt_ids'] = []


def _abandoned(folder: str) -> list[str]:
    return [str(path) for path in remove_abandoned(folder)]


class _RemoveLater:
    """A file backend whose removals wait for :meth:`remove_now`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.superseded: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        """Remove a file, or the folder that is a checkpoint (deepspeed), later."""
        self.superseded.append(str(path))

    rmtree = remove

    def remove_now(self, keep: str | None = None) -> None:
        """Do the removals, but for the path ``keep``."""
        while self.superseded:
            path = self.superseded.pop(0)
            if path == keep:
                continue
            if self._backend.isfile(path):
                self._backend.remove(path)
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
