"""reveal.js (MIT licence), read from the package ``sphinx-revealjs``, which ships it.

None of it is in this project.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

from tracer.errors import MissingError


@cache
def file(name: str) -> str:
    """Return a file of reveal.js, without the pointer to its source map.

    Raises:
        MissingError: the package is not installed, or has no such file.
    """
    found = importlib.util.find_spec("sphinx_revealjs")
    places = found.submodule_search_locations if found else None
    if not places:
        raise MissingError(
            "HTML slides need reveal.js, which sphinx-revealjs ships: "
            "pip install 'rcnn-tracer[slides]'"
        )
    try:
        text = Path(places[0], "_static", "revealjs", name).read_text("utf-8")
    except OSError as error:
        raise MissingError(
            f"the installed sphinx-revealjs has no reveal.js file {name!r}: "
            "pip install --upgrade 'rcnn-tracer[slides]'"
        ) from error
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.MULTILINE)


def version() -> str:
    """Return the version, as the script names itself."""
    script = file("dist/reveal.js")
    found = re.search(r'="(\d+\.\d+\.\d+)"', script) or re.search(r"(\d+\.\d+\.\d+)", script)
    return found[1] if found else ""
