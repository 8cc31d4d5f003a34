# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Does a model read? Probes of sentence and picture, measures, and a page (docs/audit.md)."""
