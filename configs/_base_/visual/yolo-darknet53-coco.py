# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT's image encoder from a whole YOLOv3, and as frozen as released. WARNING: this detector was
# trained on all of COCO train2017, which contains the val and test images of RefCOCO, RefCOCO+ and
# G-Ref: scores are not comparable (the model warns when it is built). In a leaf:
#   _base_ = ['./vlt_darknet53_refcoco.py', './_base_/visual/yolo-darknet53-coco.py']
#   model = _base_.yolo_darknet53_coco
yolo_darknet53_coco = dict(
    backbone=dict(
        visual=dict(
            frozen_head_convs=4,  # Darknet-53 and four of the six: its first 197 layers [C]
            init_cfg=dict(
                _delete_=True,
                type='Pretrained',
                # without prefix: the six stand in its neck and head
                checkpoint='https://download.openmmlab.com/mmdetection/v2.0/yolo/'
                'yolov3_d53_mstrain-608_273e_coco/'
                'yolov3_d53_mstrain-608_273e_coco_20210518_115020-a2c3acb8.pth',
            ),
        )
    )
)
