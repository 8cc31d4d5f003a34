# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page's image field: drop, choose, paste or pick an example; the image stays in memory.

gradio's own ``Image`` uploads to a file. This field reads the file in the browser and sends it as a
data URL inside the request; the file's name is a parameter of it.
"""

from __future__ import annotations

from magnet_mm.demo.offline_gradio import gr

_TEMPLATE = """
<div class="drop" tabindex="0" role="button" aria-label="Choose an image">
  <input type="file" accept="image/*">
  {{#if value}}
    <img class="chosen" alt="chosen image" src="{{value}}">
    <button type="button" class="remove" aria-label="Remove the image">&times;</button>
  {{else}}
    <div class="invitation"><strong>Drop an image here</strong><br>
      or click to choose one, or paste it<br><small>up to {{limit_text}}</small></div>
  {{/if}}
</div>
{{#if problem}}<div class="problem" role="alert">{{problem}}</div>{{/if}}
{{#if examples}}
  <div class="label">Examples</div>
  <div class="examples">
    {{#each examples}}
      <button type="button" data-example="{{@index}}" title="{{this.sentences}}">
        <img alt="example {{@index}}" src="{{this.picture}}"></button>
    {{/each}}
  </div>
{{/if}}
"""

_CSS = """
.drop {position: relative; min-height: 260px; display: flex; align-items: center;
  justify-content: center; cursor: pointer; border-radius: 8px; overflow: hidden;
  border: 2px dashed var(--border-color-primary); background: var(--background-fill-secondary);}
.drop:hover, .drop:focus, .drop.over {border-color: var(--color-accent); outline: none;}
.drop input {display: none;}
.chosen {max-width: 100%; max-height: 380px; object-fit: contain; min-height: 220px;}
.invitation {text-align: center; color: var(--body-text-color-subdued); line-height: 1.7;}
.remove {position: absolute; top: 8px; right: 8px; width: 28px; height: 28px; padding: 0;
  border-radius: 50%; border: none; background: #000a; color: #fff; font-size: 18px;
  display: grid; place-items: center; line-height: 1; cursor: pointer;}
.problem {margin-top: 8px; color: #d55e00; font-weight: 600;}
.label {margin: 12px 0 4px; font-size: 0.85em; color: var(--body-text-color-subdued);}
.examples {display: flex; gap: 8px; flex-wrap: wrap;}
.examples button {padding: 0; border: 1px solid var(--border-color-primary); border-radius: 6px;
  overflow: hidden; cursor: pointer; background: none;}
.examples button:hover {border-color: var(--color-accent);}
.examples img {width: 76px; height: 76px; object-fit: cover; display: block;}
"""

_SCRIPT = """
const read = (file) => {
  if (!file) return;
  if (file.size > props.limit) {
    props.value = '';
    props.problem = `${file.name} is larger than ${props.limit_text}. Make it smaller.`;
    return;
  }
  const reader = new FileReader();
  reader.onload = () => {
    const name = `;name=${encodeURIComponent(file.name)};base64,`;
    props.problem = '';
    props.value = reader.result.replace(';base64,', name);
    trigger('change');
  };
  reader.onerror = () => { props.problem = `${file.name} cannot be read.`; };
  reader.readAsDataURL(file);
};
element.addEventListener('click', (event) => {
  const example = event.target.closest('[data-example]');
  if (example) {
    const chosen = props.examples[Number(example.dataset.example)];
    props.problem = '';
    props.value = chosen.picture;
    trigger('select', {sentences: chosen.sentences});
  } else if (event.target.closest('.remove')) {
    props.value = '';
  } else if (event.target.closest('.drop') && event.target.tagName !== 'INPUT') {
    element.querySelector('input').click();
  }
});
element.addEventListener('keydown', (event) => {
  if (event.target.classList.contains('drop') && (event.key === 'Enter' || event.key === ' ')) {
    event.preventDefault();
    element.querySelector('input').click();
  }
});
element.addEventListener('change', (event) => {
  if (event.target.tagName === 'INPUT') { read(event.target.files[0]); }
});
element.addEventListener('dragover', (event) => {
  event.preventDefault();
  element.querySelector('.drop').classList.add('over');
});
element.addEventListener('dragleave', () => {
  element.querySelector('.drop').classList.remove('over');
});
element.addEventListener('drop', (event) => {
  event.preventDefault();
  element.querySelector('.drop').classList.remove('over');
  read(event.dataTransfer.files[0]);
});
document.addEventListener('paste', (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith('image/'));
  if (file) { event.preventDefault(); read(file); }
});
"""


def picture_input(max_bytes: int, examples: list[dict[str, str]], elem_id: str) -> gr.HTML:
    """Return the field; its value is a data URL, or empty.

    Its event ``select`` says which example was picked: ``event.sentences``. It is no subclass
    because gradio writes a ``.pyi`` file beside every module that defines one.

    Args:
        max_bytes: Largest file; the browser refuses a larger one before it is sent.
        examples: ``{'picture': data URL, 'sentences': text}`` each.
        elem_id: Its id on the page.
    """
    return gr.HTML(
        value='',
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        limit=max_bytes,
        limit_text=f'{max_bytes / 2**20:g} MB',
        problem='',
        examples=examples,
        elem_id=elem_id,
    )
