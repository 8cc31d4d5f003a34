# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The demo page: an image, sentences, their masks. Needs gradio (requirements/optional.txt)."""
