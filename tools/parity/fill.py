# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Deterministic pseudo-random weights that depend only on a tensor's name and shape.

Anyone can regenerate them with zlib + numpy; no reference code is involved.

    seed  = zlib.crc32(("21:" + key).encode())   (unsigned 32 bit; "21:" is SALT below)
    t     = RandomState(seed).standard_normal(shape) as float32
    value = 0.5 + |t|         if key ends with "running_var"
          = 1 + 0.1 t         if ndim <= 1 and key ends with "weight"   (norm scales)
          = 0.05 t            if ndim <= 1 otherwise                    (biases, running_mean)
          = t / sqrt(fan_in)  if ndim >= 2, fan_in = prod(shape[1:])

Non floating-point entries are left as constructed.  All arithmetic is float32.
"""

import zlib

import numpy as np

# With no salt every mask of the base model comes out (nearly) all negative.  "21:" is a value
# for which every golden sample of every variant has 8 % .. 92 % foreground.
SALT = '21:'


def fill_value(key, shape):
    """float32 array for one state_dict entry."""
    shape = tuple(int(s) for s in shape)
    rng = np.random.RandomState(zlib.crc32((SALT + key).encode()) & 0xFFFFFFFF)
    t = np.asarray(rng.standard_normal(shape), dtype=np.float32)
    if key.endswith('running_var'):
        return np.float32(0.5) + np.abs(t)
    if len(shape) <= 1:
        if key.endswith('weight'):
            return np.float32(1.0) + np.float32(0.1) * t
        return np.float32(0.05) * t
    fan_in = float(np.prod(shape[1:], dtype=np.float64))
    return t / np.float32(np.sqrt(fan_in))


def fill_model(model):
    """Overwrite every floating-point entry of model.state_dict() in place."""
    import torch

    state = model.state_dict()
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        value = torch.from_numpy(np.ascontiguousarray(fill_value(key, tensor.shape)))
        with torch.no_grad():
            tensor.copy_(value.reshape(tensor.shape))
    return model


# ---- inputs -------------------------------------------------------------------------
def make_image(seed, shape):
    """float32 image batch [B,3,H,W]."""
    return np.random.RandomState(seed).standard_normal(tuple(shape)).astype(np.float32)


def make_text(seed, lengths, max_tokens=20):
    """(input_ids, attention_mask), both int64 [B, max_tokens].

    Per sample, in order: lengths[b]-2 ids from RandomState(seed).randint(1000, 30000),
    wrapped in 101 ... 102, then zero padding.  One generator for the whole batch.
    """
    rng = np.random.RandomState(seed)
    ids = np.zeros((len(lengths), max_tokens), dtype=np.int64)
    mask = np.zeros((len(lengths), max_tokens), dtype=np.int64)
    for b, n in enumerate(lengths):
        ids[b, 0] = 101
        ids[b, 1 : n - 1] = rng.randint(1000, 30000, size=n - 2)
        ids[b, n - 1] = 102
        mask[b, :n] = 1
    return ids, mask


def sample_stats(array, count=64):
    """(mean, std, values) in float64/float64/float32; indices from RandomState(0)."""
    flat = np.asarray(array).reshape(-1)
    idx = np.random.RandomState(0).randint(0, flat.size, size=count)
    f64 = flat.astype(np.float64)
    return f64.mean(), f64.std(), flat[idx].astype(np.float32), idx.astype(np.int64)
