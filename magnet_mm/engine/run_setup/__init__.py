# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""From a config and a command line to a Runner that trains or evaluates."""
