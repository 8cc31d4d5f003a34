# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Adapts a trained model to own data: ``magnet-mm finetune``."""
