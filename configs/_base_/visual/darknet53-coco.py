# Darknet-53 of a YOLOv3 detector. WARNING: it was trained on all of COCO train2017, which contains
# the val and test images of RefCOCO, RefCOCO+ and G-Ref: scores are not comparable (the model warns
# when it is built). In a leaf:
#   _base_ = ['./coupalign_darknet53_refcoco.py', './_base_/visual/darknet53-coco.py']
#   model = _base_.darknet53_coco
darknet53_coco = dict(
    backbone=dict(
        visual=dict(
            init_cfg=dict(
                _delete_=True,
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmdetection/v2.0/yolo/'
                'yolov3_d53_mstrain-608_273e_coco/'
                'yolov3_d53_mstrain-608_273e_coco_20210518_115020-a2c3acb8.pth',
                prefix='backbone.',
            ),
        )
    ),
)
