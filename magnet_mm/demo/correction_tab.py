# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The tab where an answer is corrected: gradio's image editor between two buttons."""

from __future__ import annotations

from magnet_mm.demo.correcting import COLOR, OPACITY, SIDE, Corrector
from magnet_mm.demo.offline_gradio import gr
from magnet_mm.demo.rendering import render_hint

#: What the editor sends at most: a canvas of four channels.
EDITOR_BYTES = 4 * SIDE**2 + 2**20
MODEL = 'model'  # what asks it takes turns
_BRUSH = ('#{:02x}{:02x}{:02x}'.format(*COLOR), OPACITY / 255)


def correction_tab(corrector: Corrector, picture: gr.HTML, text: gr.Textbox) -> None:
    """Fill the tab.

    Args:
        corrector: What the buttons ask.
        picture: The page's image field.
        text: The page's sentences.
    """
    with gr.Row():
        sentence = gr.Textbox(
            label='Sentence',
            placeholder='empty: the first one at the left',
            max_lines=1,
            elem_id='corrected-sentence',
            scale=3,
        )
        start = gr.Button('Draw the answer', elem_id='start-correction', scale=1)
    editor = gr.ImageEditor(
        label='Mask',
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(colors=[_BRUSH], default_color=_BRUSH, color_mode='fixed'),
        eraser=gr.Eraser(),
        canvas_size=(SIDE, SIDE),
        format='png',
        height=560,
        elem_id='editor',
    )
    nothing = gr.Checkbox(label='Nothing in the picture is meant', elem_id='nothing')
    save = gr.Button('Save', variant='primary', elem_id='save-correction')
    message = gr.HTML(
        render_hint('Choose a picture, and let the model draw its answer.'), elem_id='correction'
    )
    started = gr.State()  # the picture in the editor; another may be chosen since
    start.click(
        corrector.start,
        inputs=[picture, text, sentence],
        outputs=[editor, sentence, message, started],
        concurrency_limit=1,
        concurrency_id=MODEL,
        api_visibility='private',
    )
    save.click(
        corrector.save,
        inputs=[started, editor, sentence, nothing],
        outputs=message,
        concurrency_limit=1,
        api_visibility='private',
    )
