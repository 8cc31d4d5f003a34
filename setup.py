# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Installs ``magnet_mm``; see the README for the two commands that do everything."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def read_requirements(name: str) -> list[str]:
    """Lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Puts configs and tools into a wheel, at ``magnet_mm/.mim`` where MIM looks for them."""

    def run(self) -> None:
        """Build, then copy; an editable install reads the checkout's own configs."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / 'magnet_mm' / '.mim'
            ignore = shutil.ignore_patterns('__pycache__')
            for folder in filter(lambda name: (ROOT / name).is_dir(), ('configs', 'tools')):
                shutil.copytree(ROOT / folder, target / folder, ignore=ignore, dirs_exist_ok=True)
            shutil.copy(ROOT / 'model-index.yml', target)


version = {}
exec((ROOT / 'magnet_mm' / 'version.py').read_text(encoding='utf-8'), version)

setup(
    name='magnet_mm',
    version=version['__version__'],
    description='Referring image segmentation for OpenMMLab: MagNet, LAVT, CoupAlign and others',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    # 3.11 is tested; for the others every pinned wheel was found (requirements/tested.txt)
    classifiers=[f'Programming Language :: Python :: 3.{minor}' for minor in (10, 11, 12, 13)],
    packages=find_packages(include=['magnet_mm', 'magnet_mm.*']),
    cmdclass=dict(build_py=BuildWithConfigs),
    entry_points=dict(console_scripts=['magnet-mm=magnet_mm.cli:main']),
    package_data={
        'magnet_mm': [
            'datasets/vocabularies/*/*',
            'analysis/templates/*',
            'sharing/templates/*',
            'pretrained/**/*',  # the model in the box
            'data_tools/preparing/*.json',
        ]
    },
    # mmcv, mmdet and mmsegmentation are left out on purpose: the official packages and the
    # maintained forks (onedl-*) provide the same modules under different names, and so do mmcv
    # and mmcv-lite (requirements/mminstall*.txt).
    install_requires=read_requirements('runtime'),
    extras_require={name: read_requirements(name) for name in ('optional', 'tests', 'docs')},
)
