# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes the reference pages from the package itself, so that they cannot go stale.

``reference/components.md``: every component of ours in mmseg's registries, with its arguments and
the configs that use it. ``reference/configs.md``: every shipped config and what it is made of.
``reference/api/<subpackage>.md``: all public classes and functions.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

PACKAGE = 'magnet_mm'
ROOT = Path(__file__).resolve().parents[2]
# Title and registry of mmseg; a component is listed under the part of the package it stands in.
REGISTRIES = (
    'MODELS',
    'DATASETS',
    'DATA_SAMPLERS',
    'TRANSFORMS',
    'METRICS',
    'HOOKS',
    'VISUALIZERS',
)


def write_pages(app: Sphinx) -> None:
    """Write all pages under ``docs/reference``; unchanged files are left alone."""
    folder = Path(app.srcdir) / 'reference'
    modules = import_all_modules()
    pages = {
        'components.md': components_page(),
        'configs.md': configs_page(),
        **{f'api/{name}.md': text for name, text in api_pages(modules).items()},
    }
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8')
    for path in (folder / 'api').glob('*.md'):
        if f'api/{path.name}' not in pages:
            path.unlink()  # of a subpackage that is gone


def import_all_modules() -> list[str]:
    """Names of all public modules of the package, imported so that they register."""
    package = importlib.import_module(PACKAGE)
    names = [PACKAGE]
    for found in pkgutil.walk_packages(package.__path__, f'{PACKAGE}.'):
        if not any(part.startswith('_') for part in found.name.split('.')):
            importlib.import_module(found.name)
            names.append(found.name)
    return names


def components_page() -> str:
    """Arguments of every registered component."""
    from mmseg import registry

    sections: dict[str, list[tuple[str, type, str]]] = {}
    for registry_name in REGISTRIES:
        for name, component in getattr(registry, registry_name).module_dict.items():
            module = inspect.getmodule(component).__name__
            if module.split('.')[0] == PACKAGE and hasattr(
                sys.modules[module], name
            ):  # no old name
                section = '.'.join(module.split('.')[1:-1]) or module.split('.')[1]
                sections.setdefault(section, []).append((name, component, registry_name))
    used_in = config_files_by_type()
    lines = [
        '# Components',
        '',
        'What a config can name with `type=...`. Generated from the docstrings. `[P]` means that',
        'a value comes from the paper, `[C]` from the released code; the rest is our choice.',
        '',
    ]
    for section, components in sorted(sections.items()):
        lines += [f'## {section}', '']
        for name, component, registry_name in sorted(components, key=lambda entry: entry[0]):
            configs = used_in.get(name, [])
            lines += [
                f'### {name}',
                '',
                f'Registry `{registry_name}`. '
                + (f'Used in {", ".join(f"`{one}`" for one in configs)}.' if configs else ''),
                '',
                '```{eval-rst}',
                f'.. autoclass:: {component.__module__}.{component.__qualname__}',
                '   :no-index:',
                '   :show-inheritance:',
                '```',
                '',
            ]
    return '\n'.join(lines)


def config_files_by_type() -> dict[str, list[str]]:
    """Return the config files in which ``type='<name>'`` is written, by name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / 'configs').rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        for name in sorted(set(re.findall(r"type ?= ?'([\w.]+)'", text))):
            found.setdefault(name, []).append(str(path.relative_to(ROOT / 'configs')))
    return found


def configs_page() -> str:
    """Return a table of the leaf configs and their base files, and the first comment of each."""
    lines = ['# Shipped configs', '', 'Generated from `configs/`.', '']
    for path in sorted((ROOT / 'configs').glob('*.py')):
        text = path.read_text(encoding='utf-8')
        bases = re.findall(r"'\./([^']+\.py)'", text.split(']')[0] if '_base_' in text else '')
        comment = [
            line.removeprefix('#').strip()
            for line in text.split('\n_base_')[0].splitlines()
            if line.startswith('#') and 'Copyright' not in line
        ]
        lines += [
            f'## {path.stem}',
            '',
            ' '.join(comment),
            '',
            f'Made of {", ".join(f"`{base}`" for base in bases)}.' if bases else '',
            '',
        ]
    return '\n'.join(lines)


def api_pages(modules: list[str]) -> dict[str, str]:
    """One page per subpackage or top-level module, with all its modules."""
    groups: dict[str, list[str]] = {}
    for module in modules[1:]:
        groups.setdefault(module.split('.')[1], []).append(module)
    pages = {}
    for group, members in sorted(groups.items()):
        lines = [f'# {PACKAGE}.{group}', '']
        for module in members:
            if module.endswith('__main__'):
                continue
            is_package = hasattr(importlib.import_module(module), '__path__')
            if module != f'{PACKAGE}.{group}':
                lines += [f'## {module.removeprefix(PACKAGE + ".")}', '']
            lines += ['```{eval-rst}', f'.. automodule:: {module}']
            # A package only passes on what its modules define.
            lines += [] if is_package else ['   :members:', '   :show-inheritance:']
            lines += ['```', '']
        pages[group] = '\n'.join(lines)
    return pages


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect('builder-inited', write_pages)
    return dict(parallel_read_safe=True)
