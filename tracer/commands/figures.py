"""Write the figures of a recorded pass into a folder, with an index to look through.

  tracer figures pass.safetensors -o figures
  tracer figures pass.safetensors -o figures --stage fpn --stage roi_heads --lang zh --format svg

Figures that do not fit the pass (losses in a pass without targets, say) are listed in the index
with the reason.
"""

from __future__ import annotations

import argparse
import html
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.commands.recording import add_overwrite, counting
from tracer.errors import InputError, MissingError
from tracer.files import output_folder, put

if TYPE_CHECKING:
    from tracer.rcnn.anatomy import Anatomy
    from tracer.views.figures import Entry

HELP = "write the figures of a recorded pass, with an index"

FORMATS = ("png", "svg", "pdf")
STAGES = (
    "overview", "transform", "backbone", "fpn", "rpn", "roi_heads", "losses", "activations",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """One figure of the index: its file, or why there is none."""

    entry: Entry
    file: str
    reason: str
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("trace", metavar="PASS", help="a recorded pass, best with --keep anatomy")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write into")
    add_overwrite(parser)
    parser.add_argument(
        "--stage",
        action="append",
        choices=STAGES,
        help="only the figures of this stage; may be repeated",
    )
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="(%(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="png", help="(%(default)s)")
    parser.add_argument("--dpi", type=int, default=150, metavar="N", help="of png (%(default)s)")
    parser.add_argument("--image", type=int, default=0, metavar="N", help="of the batch (0)")
    parser.add_argument(
        "--names",
        metavar="A,B,…",
        help="names of the classes from 1 on, instead of the recording's own",
    )
    parser.add_argument("--size", choices=("notebook", "slide"), default="notebook")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")


def run(args: argparse.Namespace) -> int:
    """Draw, write, and say how it went."""
    import tracer
    from tracer.rcnn.anatomy import anatomy

    if not 20 <= args.dpi <= 1200:
        raise InputError(f"--dpi is between 20 and 1200; found {args.dpi}")
    parts = anatomy(tracer.load(args.trace))
    folder = output_folder(args.output)
    written = write(parts, folder, args)
    _index_html(folder, written, args)
    _index_markdown(folder, written, args)
    done = [w for w in written if w.file]
    if not done:
        raise MissingError(f"no figure could be drawn: {written[0].reason}")
    skipped = len(written) - len(done)
    more = f", {skipped} do not fit this pass" if skipped else ""
    print(f"{folder / 'index.html'}: {len(done)} figures{more}, {_total(written):.1f} s")
    return 0


def write(parts: Anatomy, folder: Path, args: argparse.Namespace) -> list[Written]:
    """Draw every figure that was asked for and write it; a missing part is a reason, no error."""
    from tracer.views.figures import FIGURES

    wanted = [e for e in FIGURES.values() if not args.stage or e.stage in args.stage]
    _check_image(parts, args.image)
    written: list[Written] = []
    with counting("drawing", len(wanted)) as step:
        for entry in wanted:
            step(entry.name)
            written.append(_one(parts, entry, folder, args))
    return written


def _one(parts: Anatomy, entry: Entry, folder: Path, args: argparse.Namespace) -> Written:
    file = f"{entry.name}.{args.format}"
    start = time.perf_counter()
    options: dict[str, Any] = {"lang": args.lang, "size": args.size, "theme": args.theme}
    if args.names and entry.name in ("detections", "detection_funnel"):
        options["names"] = ("__background__", *(name.strip() for name in args.names.split(",")))
    try:
        figure = entry.draw(parts, image=args.image, **options)
    except MissingError as error:
        return Written(entry, "", str(error), time.perf_counter() - start)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=args.format, dpi=args.dpi)
    put(folder / file, drawn.getvalue(), args.format, args.overwrite)
    return Written(entry, file, "", time.perf_counter() - start)


def _check_image(parts: Anatomy, image: int) -> None:
    count = len(parts.pictures)
    if not 0 <= image < count:
        raise InputError(f"--image {image}: the pass has {count} images, counted from 0")


def _total(written: list[Written]) -> float:
    return sum(w.seconds for w in written)


# --- the index ------------------------------------------------------------------------------------

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;"
    "color:#1f2430;background:#fff}img,object{max-width:100%;border:1px solid #dfe3ea}"
    "h2{margin-top:2.5rem}p.none{color:#5d6675}nav a{margin-right:1rem}"
)


def _titles(written: list[Written], lang: str) -> list[tuple[str, str, list[tuple[str, Written]]]]:
    """Return (stage, its title, its figures with their titles), in order."""
    from tracer.views.figures import STAGES as stages

    which = 1 if lang == "zh" else 0
    groups = []
    for stage, titles in stages.items():
        inside = [
            ((w.entry.title_zh if which else w.entry.title_en), w)
            for w in written
            if w.entry.stage == stage
        ]
        if inside:
            groups.append((stage, titles[which], inside))
    return groups


def _index_html(folder: Path, written: list[Written], args: argparse.Namespace) -> None:
    from tracer.views.page.shell import policy_of

    groups = _titles(written, args.lang)
    heading = "图集" if args.lang == "zh" else "Figures"
    policy = html.escape(policy_of("", _STYLE, images="'self' file:"))
    name = html.escape(Path(args.trace).name)
    links = "".join(f'<a href="#{stage}">{html.escape(title)}</a>' for stage, title, _ in groups)
    parts = [
        f'<!doctype html><html lang="{args.lang}"><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{heading} · {name}</title><style>{_STYLE}</style>",
        f"<h1>{heading} · {name}</h1><nav>{links}</nav>",
    ]
    for stage, title, inside in groups:
        parts.append(f'<h2 id="{stage}">{html.escape(title)}</h2>')
        parts += [_html_figure(caption, each) for caption, each in inside]
    put(folder / "index.html", "\n".join(parts) + "</html>\n", "html", args.overwrite)


def _html_figure(caption: str, each: Written) -> str:
    text = html.escape(caption)
    if not each.file:
        return f'<h3>{text}</h3><p class="none">{html.escape(each.reason)}</p>'
    if each.file.endswith(".pdf"):
        return f'<h3>{text}</h3><p><a href="{each.file}">{each.file}</a></p>'
    return f'<h3>{text}</h3><img loading="lazy" src="{each.file}" alt="{text}">'


def _index_markdown(folder: Path, written: list[Written], args: argparse.Namespace) -> None:
    lines = [f"# {'图集' if args.lang == 'zh' else 'Figures'} · {Path(args.trace).name}", ""]
    for _, title, inside in _titles(written, args.lang):
        lines += [f"## {title}", ""]
        for caption, each in inside:
            shown = f"![{caption}]({each.file})" if each.file else each.reason
            shown = f"[{each.file}]({each.file})" if each.file.endswith(".pdf") else shown
            lines += [f"### {caption}", "", shown, ""]
    put(folder / "index.md", "\n".join(lines), "text", args.overwrite)
