# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exceptions raised for bad input; each message says what was wrong, where, and what to do."""


class DataError(ValueError):
    """An annotation, image, mask or sentence cannot be used; the message names file and sample."""


class ConfigError(ValueError):
    """A config asks for something that does not exist or does not fit together."""


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message names the batch's samples and the dump."""


class CheckpointError(RuntimeError):
    """A checkpoint is damaged, unsafe, or does not fit the model; the message lists the keys."""
