# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Old name of alignment_loss.py, for leaves of earlier releases; it goes with the next one.
_base_ = ['./alignment_loss.py']
cross_modal_alignment_head = _base_.alignment_loss
