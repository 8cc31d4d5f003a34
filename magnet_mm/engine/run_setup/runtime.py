# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Set-up of a run, shared by the tools: the config, fitted to the command line and machine."""

from __future__ import annotations

import os
import os.path as osp
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as torch_distributed
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import FlexibleRunner, Runner

from magnet_mm.config_types import type_name
from magnet_mm.engine.run_setup.test_time_augmentation import multi_scale_pipeline
from magnet_mm.errors import CheckpointError, ConfigError

_SYNCHRONISED_NORMS = ('SyncBN', 'MMSyncBN', 'SyncBatchNorm', 'NaiveSyncBatchNorm')
_VARIABLES = ('BERT_PATH', 'JSONL_ROOT', 'REFER_ROOT', 'REFSHAPES_ROOT')


def load_config(
    path: str,
    cfg_options: dict[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config file and apply the command line, as mmseg's tools do.

    Args:
        path: The config file.
        cfg_options: Values of ``--cfg-options``.
        work_dir: Where to write; else the config's own, else ``./work_dirs/<config name>``.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        ConfigError: If the file does not exist.
    """
    if not osp.isfile(path):
        raise ConfigError(f'There is no config file {path}. The shipped ones are in configs/.')
    cfg = read_config_file(path)
    cfg.launcher = launcher
    if cfg_options:
        cfg.merge_from_dict(cfg_options)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('./work_dirs', osp.splitext(osp.basename(path))[0])
    return cfg


def read_config_file(path: str) -> Config:
    """Read a config file; where an environment variable in it breaks its syntax, say which.

    Raises:
        ConfigError: If a variable's value cannot stand where the config has it.
    """
    try:
        return Config.fromfile(path)
    except (SyntaxError, re.error) as error:
        with open(path, encoding='utf-8') as file:
            named = {*_VARIABLES, *re.findall(r'\{\{\W*\$(\w+)', file.read())}
        breaking = [
            f'{name}={value}'
            for name, value in sorted(os.environ.items())
            if name in named and set(value) & set('\'"\\\n')
        ]
        if not breaking:
            raise
        raise ConfigError(
            f'{path} cannot be read with {", ".join(breaking)}: the value is put into the text of '
            'the config, which its quotes or backslashes break. Choose another path, for instance '
            'a symbolic link without them.'
        ) from error


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config asks for (``runner_type``; mmengine's ``Runner``).

    Raises:
        ConfigError: If there is no such runner, or a ``strategy`` that it would ignore.
    """
    kind = cfg.get('runner_type', 'Runner')
    runner = kind if isinstance(kind, type) else RUNNERS.get(kind)
    if runner is None:
        raise ConfigError(
            f'runner_type={kind!r}: there is no such runner. mmengine has Runner and '
            'FlexibleRunner; one of your own is registered by custom_imports.'
        )
    if cfg.get('strategy') is not None and not issubclass(runner, FlexibleRunner):
        raise ConfigError(
            f'The config has a strategy, which {runner.__name__} ignores. Set runner_type='
            "'FlexibleRunner', or leave out the strategy."
        )
    if issubclass(runner, FlexibleRunner):
        warnings.warn(
            f'FlexibleRunner (strategy {type_name(cfg.get("strategy") or {}, "default")}): FSDP, '
            'DeepSpeed and the like have not been tested with this package. Check that a resumed '
            'run goes on as it should before you rely on it.',
            stacklevel=2,
        )
    return runner.from_cfg(cfg)


def enable_mixed_precision(cfg: Config) -> None:
    """Switch the optimiser wrapper to mixed precision (``--amp``), in place.

    bfloat16 where the accelerator has it (no loss scaling needed), else float16 with a dynamic
    loss scale (our choice).

    Raises:
        ConfigError: If the config uses another wrapper than ``OptimWrapper``.
    """
    wrapper = cfg.optim_wrapper
    if type_name(wrapper, 'OptimWrapper') == 'AmpOptimWrapper':
        return
    if type_name(wrapper, 'OptimWrapper') != 'OptimWrapper':
        raise ConfigError(
            f"--amp replaces optim_wrapper.type='OptimWrapper', but the config has "
            f'{type_name(wrapper)!r}. Set its mixed precision in the config instead.'
        )
    wrapper.type = 'AmpOptimWrapper'
    if torch.cuda.is_available() and not has_bfloat16():
        wrapper.dtype = 'float16'
        wrapper.loss_scale = 'dynamic'
    else:
        wrapper.dtype = 'bfloat16'


def has_bfloat16() -> bool:
    """Say whether the GPU computes in bfloat16; torch counts V100 and T4, which emulate it."""
    try:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    except TypeError:  # torch below 2.5 does not count emulation
        return torch.cuda.is_bf16_supported()


def resume_from(cfg: Config, checkpoint: str | None) -> None:
    """Apply ``--resume [CHECKPOINT|auto]`` to the config, in place.

    Args:
        cfg: The config.
        checkpoint: A checkpoint file, ``auto`` for the last intact one of the work directory (see
            :class:`ResumeHook`; training starts from the beginning where there is none yet), or
            None to leave the config alone.

    Raises:
        CheckpointError: If the checkpoint does not exist.
    """
    if checkpoint is None:
        return
    cfg.resume = True
    if checkpoint == 'auto':
        cfg.load_from = None
        return
    if '://' not in checkpoint and not osp.isfile(checkpoint):
        raise CheckpointError(f'--resume: there is no checkpoint {checkpoint}.')
    cfg.load_from = checkpoint


def test_from(cfg: Config, checkpoint: str) -> None:
    """Name the checkpoint to evaluate, in place.

    Raises:
        CheckpointError: If there is no such file.
    """
    if '://' not in checkpoint and not osp.isfile(checkpoint):
        raise CheckpointError(f'There is no checkpoint {checkpoint}.')
    cfg.load_from = checkpoint
    cfg.resume = False


def draw_predictions(cfg: Config, show: bool, save_dir: str | None, wait_time: float) -> None:
    """Let the visualization hook draw while testing (``--show``, ``--show-dir``), in place.

    Raises:
        ConfigError: If the config has no visualization hook.
    """
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise ConfigError(
            '--show and --show-dir need default_hooks.visualization in the config; '
            'configs/_base_/default_runtime.py has it.'
        )
    hook.draw = True
    hook.show = show
    hook.wait_time = wait_time
    if save_dir is not None:
        cfg.visualizer.save_dir = save_dir


def enable_test_time_augmentation(cfg: Config) -> None:
    """Wrap the model in the config's ``tta_model`` (``--tta``), in place.

    The pipeline is ``tta_pipeline`` where the config has one; else the test pipeline at every one
    of ``tta_scales``, so that image size and tokenizer stand in one place.

    Raises:
        ConfigError: If the config has no ``tta_model``, or neither pipeline nor scales that fit.
    """
    if cfg.get('tta_model') is None or not (cfg.get('tta_pipeline') or cfg.get('tta_scales')):
        raise ConfigError(
            '--tta needs tta_model and tta_scales (or tta_pipeline) in the config; '
            'configs/_base_/tta.py has them.'
        )
    dataset = cfg.test_dataloader.dataset
    dataset.pipeline = cfg.get('tta_pipeline') or multi_scale_pipeline(
        dataset.pipeline, cfg.tta_scales
    )
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


def batch_sentences(cfg: Config, batch_size: int) -> None:
    """Test ``batch_size`` sentences at a time, those of an image together, in place.

    Raises:
        ConfigError: If the size is not positive.
    """
    if batch_size < 1:
        raise ConfigError(f'--batch-size {batch_size}: at least one sentence is needed.')
    cfg.test_dataloader.pop('batch_sampler', None)
    cfg.test_dataloader.batch_size = batch_size
    cfg.test_dataloader.sampler = dict(type='ImageSampler')


def fit_to_machine(cfg: Config, training: bool) -> None:
    """Change what a machine cannot run, in place.

    A dataloader without workers (``num_workers=0``) loses the options that only workers have. On a
    machine with an accelerator nothing else is changed. On others, synchronised batch norm becomes
    batch norm, and a distributed run is started on gloo with ``DistributedDataParallel``.

    Args:
        cfg: The complete config.
        training: Whether the optimiser wrapper is going to be built.

    Raises:
        ConfigError: If mixed precision, or a launcher other than torchrun, is asked for on CPU.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        _fit_workers(cfg.get(name), name)
    if get_device() != 'cpu':
        return
    if training and type_name(cfg.get('optim_wrapper') or {}) == 'AmpOptimWrapper':
        raise ConfigError(
            'Mixed precision (AmpOptimWrapper) needs an accelerator and this machine has none. '
            'Leave out --amp, or set --cfg-options optim_wrapper.type=OptimWrapper.'
        )
    for part in _dicts_in(cfg.model):
        if type_name(part) in _SYNCHRONISED_NORMS:
            part['type'] = 'BN'
    if cfg.get('launcher', 'none') != 'none':
        _distribute_on_cpu(cfg)


def leave_process_group() -> None:
    """Close the process group at the end of a distributed run, if there is one."""
    if torch_distributed.is_available() and torch_distributed.is_initialized():
        torch_distributed.destroy_process_group()


def _distribute_on_cpu(cfg: Config) -> None:
    """Start gloo here: mmengine's ``init_dist`` would call ``torch.cuda.set_device``."""
    if cfg.launcher != 'pytorch':
        raise ConfigError(
            f'--launcher {cfg.launcher} needs an accelerator and this machine has none. '
            'Without one, use tools/dist_train.sh or tools/dist_test.sh (torchrun).'
        )
    if not torch_distributed.is_initialized():
        torch_distributed.init_process_group('gloo')
    wrapper = cfg.get('model_wrapper_cfg') or {}
    # mmengine's own defaults, but for device_ids, which must be None on the CPU
    wrapper.setdefault('type', 'MMDistributedDataParallel')
    wrapper.setdefault('broadcast_buffers', False)
    wrapper.setdefault('find_unused_parameters', cfg.get('find_unused_parameters', False))
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper


def _fit_workers(dataloader: Any, name: str) -> None:
    if not isinstance(dataloader, dict) or dataloader.get('num_workers') != 0:
        return
    dataloader['persistent_workers'] = False
    dataloader.pop('prefetch_factor', None)
    if dataloader.get('timeout'):
        raise ConfigError(
            f'{name} has num_workers=0 and timeout={dataloader["timeout"]}; only workers can time '
            'out. Leave one of them out.'
        )


def _dicts_in(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _dicts_in(part)
