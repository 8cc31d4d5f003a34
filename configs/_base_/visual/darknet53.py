# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Darknet-53 in place of another image encoder. In a leaf:
#   _base_ = ['./coupalign_swinb_refcoco.py', './_base_/visual/darknet53.py']
#   model = _base_.darknet53
# WARNING: these YOLOv3 weights were trained on all of COCO train2017, which contains the val and
# test images of RefCOCO, RefCOCO+ and G-Ref. The papers took weights trained without those images;
# OpenMMLab serves none. Scores with these weights are not comparable (the model warns when it is
# built). checkpoint='open-mmlab://darknet53', without prefix, has seen ImageNet alone.
darknet53 = dict(
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255]),  # what the weights were trained on
    backbone=dict(
        visual=dict(
            _delete_=True,
            type='StagewiseDarknet',
            depth=53,
            norm_eval=True,  # as mmdet's YOLOv3
            init_cfg=dict(
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmdetection/v2.0/yolo/'
                'yolov3_d53_mstrain-608_273e_coco/'
                'yolov3_d53_mstrain-608_273e_coco_20210518_115020-a2c3acb8.pth',
                prefix='backbone.',
            ),
        )
    ),
)
