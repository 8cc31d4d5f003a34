# Darknet-53 (ImageNet) in place of another image encoder. In a leaf:
#   _base_ = ['./coupalign_swinb_refcoco.py', './_base_/visual/darknet53.py']
#   model = _base_.darknet53
# The papers took weights of a detector trained on COCO without the val and test images of RefCOCO,
# RefCOCO+ and G-Ref; OpenMMLab serves none. darknet53-coco.py has its YOLOv3, which has seen them.
darknet53 = dict(
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255]),  # what the weights were trained on
    backbone=dict(
        visual=dict(
            _delete_=True,
            type='StagewiseDarknet',
            depth=53,
            norm_eval=True,  # as mmdet's YOLOv3
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://darknet53'),
        )
    ),
)
