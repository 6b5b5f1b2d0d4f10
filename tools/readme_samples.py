"""Set into the READMEs what their samples' commands print.

    make demo
    python tools/readme_samples.py [DEMO]

A sample is a block of code after a remark that gives its command, run on the demo's recordings, and
the beginnings of the rows that are shown: ``<!-- tracer show …: Step | C2 | … | P6 -->``.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from tracer.cli import main

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh.md")
SAMPLE = re.compile(r"(<!-- tracer ([^:\n]+): ([^\n]+) -->\n+```\n)(.*?)(?=```)", re.DOTALL)


def set_samples(text: str, printed: Callable[[str], str]) -> str:
    """Return a README's text with each sample replaced by what its command prints."""
    return SAMPLE.sub(lambda m: m[1] + chosen(printed(m[2]), m[3].split(" | ")), text)


def chosen(report: str, rows: list[str]) -> str:
    """Return the rows that begin as they are to, each with the lines that go on with it.

    Raises:
        ValueError: there is none that begins so.
    """
    title = re.match(r"(?:[^\s─].*\n)+(?=\n)", report)
    blocks = [title[0]] if title else []
    blocks += re.findall(r"^\S.*\n(?:[ ]+\S.*\n)*", report, re.MULTILINE)
    shown = []
    for row in rows:
        found = [block for block in blocks if block.startswith(row)]
        if not found and row != "…":
            raise ValueError(f"no row begins with {row!r}:\n{report}")
        shown.append(found[0] if found else "…\n")
    return "".join(shown)


def printed_on(demo: Path) -> Callable[[str], str]:
    """Return what runs a command on a demo's recordings and gives what it prints."""

    def printed(command: str) -> str:
        words = [re.sub("^demo/", f"{demo}/", word) for word in shlex.split(command)]
        with contextlib.redirect_stdout(io.StringIO()) as out:
            if main(words):
                raise SystemExit(f"this sample's command failed: tracer {command}")
        return re.sub(r" +$", "", out.getvalue(), flags=re.MULTILINE)

    return printed


if __name__ == "__main__":
    printed = printed_on(Path(sys.argv[1] if sys.argv[1:] else "demo"))
    for name in READMES:
        text = (ROOT / name).read_text("utf-8")
        (ROOT / name).write_text(set_samples(text, printed), "utf-8")
