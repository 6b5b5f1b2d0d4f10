"""Build: the notebooks lie beside the package and travel within it, as ``tracer/notebooks``.

All else is in pyproject.toml. An editable installation reads them from where they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithNotebooks(build_py):
    """Copies the notebooks into what is built."""

    def run(self) -> None:
        """Build the package, then add the notebooks."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "tracer", "notebooks")
        target.mkdir(parents=True, exist_ok=True)
        for notebook in Path("notebooks").glob("*.ipynb"):
            shutil.copy(notebook, target)


setup(cmdclass={"build_py": BuildWithNotebooks})
