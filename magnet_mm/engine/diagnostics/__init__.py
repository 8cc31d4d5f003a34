# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What is written down about a running training: memory, and batches whose loss is not finite."""
