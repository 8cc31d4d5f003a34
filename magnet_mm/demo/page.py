# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page itself and its server (gradio)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.middleware import Middleware

from magnet_mm.demo.correcting import Corrector
from magnet_mm.demo.correction_tab import EDITOR_BYTES, MODEL, correction_tab
from magnet_mm.demo.offline_gradio import gr, no_proxy_for_localhost
from magnet_mm.demo.picture_input import picture_input
from magnet_mm.demo.rendering import CSS, render_hint
from magnet_mm.demo.request_limits import RequestLimits

_SYSTEM_FONTS = ('system-ui', 'Segoe UI', 'DejaVu Sans', 'sans-serif')
_PAGE_CSS = """
.gradio-container {max-width: 1240px !important; margin: 0 auto;}
.gradio-container main {width: 100%;}
#picture, #masks, #heats, #heading {padding: 0 !important;}
"""
_CACHE = (600, 3600)  # seconds: what the editor shows is removed after an hour, looked for often
_STATES = 200  # visitors remembered; each may hold one image in memory


def build_page(
    answer: Callable[[str | None, str | None], tuple[str, str]],
    title: str,
    examples: list[dict[str, str]],
    max_bytes: int,
    max_queue: int,
    corrector: Corrector | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        answer: See :class:`magnet_mm.demo.answering.Answerer`.
        title: What the page says about the model.
        examples: See :func:`magnet_mm.demo.examples.make_examples`.
        max_bytes: Largest image file.
        max_queue: Requests that may wait; the next is refused with "currently busy".
        corrector: Adds a tab where answers are corrected and saved.
    """
    with gr.Blocks(title='magnet_mm demo', analytics_enabled=False, delete_cache=_CACHE) as page:
        gr.HTML(
            '<h1 style="margin: 0">Referring image segmentation</h1>'
            '<p style="margin: 4px 0 0">Say in words which object you mean; the model draws it. '
            f'<span style="opacity: 0.7">{title}</span></p>',
            elem_id='heading',
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                picture = picture_input(max_bytes, examples, elem_id='picture')
                text = gr.Textbox(
                    label='Sentences, one per line',
                    placeholder='the man in red on the left\nhis hat',
                    lines=3,
                    max_lines=7,
                    elem_id='sentences',
                )
                button = gr.Button('Segment', variant='primary', elem_id='segment')
            with gr.Column(scale=3, min_width=320):
                with gr.Tab('Masks'):
                    masks = gr.HTML(render_hint('The masks appear here.'), elem_id='masks')
                with gr.Tab('Heat maps'):
                    heats = gr.HTML(render_hint('The heat maps appear here.'), elem_id='heats')
                if corrector is not None:
                    with gr.Tab('Correct'):
                        correction_tab(corrector, picture, text)
        picture.select(_take_sentences, outputs=text, queue=False, api_visibility='private')
        gr.on(
            [button.click, text.submit],
            answer,
            inputs=[picture, text],
            outputs=[masks, heats],
            concurrency_limit=1,
            concurrency_id=MODEL,
            api_name='segment',
        )
    return page.queue(max_size=max_queue)


def launch_page(
    page: gr.Blocks, max_bytes: int, files: bool = False, **options: Any
) -> tuple[Any, str, str]:
    """Serve the page: ``page.launch`` with what keeps it offline and its visitors' images private.

    No fonts, scripts or statistics from other hosts, no files, no history of runs.

    Args:
        page: See :func:`build_page`.
        max_bytes: Largest image file.
        files: The page has the correction tab, whose editor sends what is painted as files.
        **options: ``server_name``, ``server_port``, ``share`` ... of ``gr.Blocks.launch``.
    """
    body = max_bytes * 4 // 3 + 65536  # base64, and what is around it
    body = max(body, EDITOR_BYTES) if files else body
    returns = options.pop('prevent_thread_lock', False)
    with no_proxy_for_localhost(bool(options.get('share'))):
        launched = page.launch(
            theme=gr.themes.Soft(font=_SYSTEM_FONTS, font_mono=('monospace',)),
            css=CSS + _PAGE_CSS,
            app_kwargs=dict(middleware=[Middleware(RequestLimits, max_bytes=body, files=files)]),
            state_session_capacity=_STATES,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            prevent_thread_lock=True,
            **options,
        )
    if not returns:
        page.block_thread()
    return launched


def _take_sentences(event: gr.EventData) -> str:
    """Return the sentences of the example that was picked."""
    return str(event.sentences)
