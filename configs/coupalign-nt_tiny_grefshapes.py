# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small CoupAlign that also answers "nothing in this picture is meant" (docs/no_target.md).
_base_ = ['./coupalign_tiny_grefshapes.py', './_base_/plugins/no_target.py']

model = dict(no_target_head=dict(_base_.no_target_head, channels=64))
