"""reveal.js (MIT licence), which shows the HTML slides: its files as npm's ``reveal.js`` has them.

They lie in ``reveal_js/``, unchanged, with their licence. For another version, replace them by
those of ``npm pack reveal.js``: ``LICENSE`` and ``dist/``'s ``reset.css``, ``reveal.css`` and
``reveal.js``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources


@cache
def file(name: str) -> str:
    """Return a file of reveal.js, without the pointer to its source map."""
    text = (resources.files(__package__) / "reveal_js" / name).read_text("utf-8")
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.MULTILINE)


def version() -> str:
    """Return the version, as the script names itself."""
    found = re.search(r'="(\d+\.\d+\.\d+)"', file("reveal.js"))
    return found[1] if found else ""
