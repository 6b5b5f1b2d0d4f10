"""The master and the layouts of a PowerPoint deck: what a teacher who edits it works with.

Each slide fills the placeholders of a layout that has a place for each of its parts, so that a
change to the layout, the theme's colours or its fonts changes every slide. python-pptx brings a
presentation of the older 4:3 format; its theme, master and layouts are replaced here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tracer.views.slides import listing, pages, placing
from tracer.views.slides.deck import Cells, Code, Deck, Part, Pictures, Points
from tracer.views.slides.design import texts
from tracer.views.slides.placing import INSET, SMALLEST, Box

LATIN, CHINESE, MONO = "Arial", "Microsoft YaHei", "Consolas"
"""Typefaces that the programs that show such files bring along or know how to replace."""

EMU = 12700
"""Units of the format in a point."""

CONTENT, CAPTION, ASIDE, LINK, NUMBER = 10, 20, 30, 40, 41
"""Index of the first part's placeholder, of its caption, of its second column; of link, number."""

Kinds = tuple[type[Part], ...]
Key = tuple[str, Kinds]
"""What decides a layout: that of the slide, and the kinds of its parts."""

USUAL: tuple[Key, ...] = (
    ("title", (Points,)),
    ("content", (Points,)),
    ("content", (Pictures,)),
    ("content", (Points, Pictures)),
    ("content", (Cells,)),
    ("content", (Code,)),
    ("content", ()),
)
"""Layouts that every deck has, for the slides that a teacher adds."""

_NAMES = ("opening", "points", "figure", "table", "code", "and", "title_only", "edit")
SPACES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_RECT = '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
_PANEL = '<a:solidFill><a:schemeClr val="bg2"/></a:solidFill>'
_GROUP = (
    '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr>'
    '<a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/><a:chOff x="0" y="0"/>'
    '<a:chExt cx="0" cy="0"/></a:xfrm></p:grpSpPr>'
)


def presentation(deck: Deck, keys: Iterable[Key]) -> tuple[Any, dict[Key, Any]]:
    """Return an empty presentation in the deck's theme, and its layouts by what they are for.

    Args:
        deck: for its theme and language.
        keys: the layouts that its slides need.
    """
    import pptx
    from pptx.util import Emu

    made = pptx.Presentation()
    made.slide_width = Emu(emu(placing.WIDTH))
    made.slide_height = Emu(emu(placing.HEIGHT))
    _drop_leftovers(made)
    words = tuple(texts(f"layout.{name}", deck.languages[0]) for name in _NAMES)
    _set_theme(made.slide_master, deck.theme)
    _set_master(made.slide_master, deck, words)
    wanted = list(dict.fromkeys((*USUAL, *keys)))
    return made, {key: _add_layout(made, key, number, words) for number, key in enumerate(wanted)}


def emu(points: float) -> int:
    """Return a length in the format's units."""
    return round(points * EMU)


def _drop_leftovers(made: Any) -> None:
    """Take away the layouts, the thumbnail and the printer's settings that python-pptx brings."""
    for layout in list(made.slide_layouts):
        made.slide_layouts.remove(layout)
    for part in (made.part, made.part.package):
        for name, relation in list(part._rels.items()):
            if relation.reltype.endswith(("/thumbnail", "/printerSettings")):
                part._rels.pop(name)


# --- theme ----------------------------------------------------------------------------------------


def _set_theme(master: Any, theme: str) -> None:
    from lxml import etree
    from pptx.opc.constants import RELATIONSHIP_TYPE

    part = master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    root = etree.fromstring(part.blob)
    root.set("name", "rcnn-tracer")
    for tag, new in (("clrScheme", _colours(theme)), ("fontScheme", _fonts())):
        old = root.find(f".//{{*}}{tag}")
        old.getparent().replace(old, etree.fromstring(new))
    part._blob = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _colours(theme: str) -> str:
    """Return the colour scheme: dark is what a dark deck has as its ground, see `_mapping`."""
    from tracer.views.kit.palette import CYCLE, THEMES

    it = THEMES[theme]
    light = theme == "light"
    named = {
        "dk1": it.ink if light else it.paper,
        "lt1": it.paper if light else it.ink,
        "dk2": it.muted if light else it.panel,
        "lt2": it.panel if light else it.muted,
        **{f"accent{number}": colour for number, colour in enumerate(CYCLE[:6], 1)},
        "hlink": it.accent,
        "folHlink": it.accent,
    }
    inside = "".join(
        f'<a:{name}><a:srgbClr val="{colour[1:].upper()}"/></a:{name}>'
        for name, colour in named.items()
    )
    return f'<a:clrScheme {SPACES} name="rcnn-tracer {theme}">{inside}</a:clrScheme>'


def _fonts() -> str:
    inside = (
        f'<a:latin typeface="{LATIN}"/><a:ea typeface="{CHINESE}"/><a:cs typeface=""/>'
        f'<a:font script="Hans" typeface="{CHINESE}"/>'
    )
    both = f"<a:majorFont>{inside}</a:majorFont><a:minorFont>{inside}</a:minorFont>"
    return f'<a:fontScheme {SPACES} name="rcnn-tracer">{both}</a:fontScheme>'


def _mapping(theme: str) -> dict[str, str]:
    light = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}
    dark = {"bg1": "dk1", "tx1": "lt1", "bg2": "dk2", "tx2": "lt2"}
    return light if theme == "light" else dark


# --- master and layouts ---------------------------------------------------------------------------


def _set_master(master: Any, deck: Deck, words: tuple[str, ...]) -> None:
    from pptx.oxml import parse_xml

    body = _shape(3, "body", 1, placing.BODY, words[7], placing.TEXTS[0])
    number = _shape(4, "sldNum", 4, placing.NUMBER, "", SMALLEST)
    tree = f"<p:spTree {SPACES}>{_GROUP}{_title(words)}{body}{number}</p:spTree>"
    element = master._element
    old = element.cSld.spTree
    element.cSld.replace(old, parse_xml(tree))
    mapping = element.find("{*}clrMap")
    for name, value in _mapping(deck.theme).items():
        mapping.set(name, value)
    styles = element.find("{*}txStyles")
    element.replace(styles, parse_xml(_styles()))


def _title(words: tuple[str, ...]) -> str:
    return _shape(
        2, "title", None, placing.TITLE, words[7], placing.TITLES[0], anchor="ctr", bold=True
    )


def _styles() -> str:
    def level(tag: str, number: int, size: float, more: str, marks: str = "<a:buNone/>") -> str:
        return (
            f'<a:lvl{number}pPr algn="l" defTabSz="914400" rtl="0" eaLnBrk="1" latinLnBrk="0" '
            f'hangingPunct="1" {more}><a:lnSpc><a:spcPct val="100000"/></a:lnSpc><a:spcBef>'
            f'<a:spcPts val="0"/></a:spcBef>{marks}<a:defRPr sz="{round(size * 100)}" kern="1200">'
            f'<a:solidFill><a:schemeClr val="tx1"/></a:solidFill><a:latin typeface="+{tag}-lt"/>'
            f'<a:ea typeface="+{tag}-ea"/><a:cs typeface="+{tag}-cs"/></a:defRPr>'
            f"</a:lvl{number}pPr>"
        )

    bullet = f'<a:buFont typeface="{LATIN}"/><a:buChar char="•"/>'
    sizes = (*placing.TEXTS, *[SMALLEST] * 9)[:9]
    deeper = [
        level("mn", number, size, f'marL="{emu(22 * number)}" indent="{emu(-22)}"', bullet)
        for number, size in enumerate(sizes, 1)
    ]
    other = [level("mn", number, SMALLEST, "") for number in range(1, 10)]
    return (
        f"<p:txStyles {SPACES}><p:titleStyle>{level('mj', 1, placing.TITLES[0], '')}</p:titleStyle>"
        f"<p:bodyStyle>{''.join(deeper)}</p:bodyStyle>"
        f"<p:otherStyle>{''.join(other)}</p:otherStyle></p:txStyles>"
    )


def _shape(
    number: int,
    kind: str,
    idx: int | None,
    box: Box,
    prompt: str,
    size: float,
    *,
    bullets: bool = False,
    ground: bool = False,
    mono: bool = False,
    colour: str = "tx1",
    anchor: str = "t",
    bold: bool = False,
) -> str:
    """Return a placeholder of the master or of a layout.

    Args:
        number: its id among the shapes.
        kind: type of the placeholder: ``title``, ``body``, ``pic``, ``tbl``, ``sldNum``.
        idx: its index, by which a slide's placeholder finds it; titles have none.
        box: where it is.
        prompt: what an empty one says.
        size: of its text, in points.
        bullets: whether its paragraphs have them.
        ground: whether it is a panel with a ground of its own.
        mono: whether its text is monospaced.
        colour: of its text, in the theme's terms.
        anchor: ``t`` or ``ctr``.
        bold: whether its text is bold.
    """
    which = f'type="{kind}"' + (f' idx="{idx}"' if idx is not None else "")
    inset = emu(INSET if ground else 0)
    indent = emu(placing.BULLET * size) if bullets else 0
    mark = f'<a:buFont typeface="{LATIN}"/><a:buChar char="•"/>' if bullets else "<a:buNone/>"
    after = f'<a:spcAft><a:spcPts val="{round(placing.SPACING * size * 100)}"/></a:spcAft>'
    font = f'<a:latin typeface="{MONO}"/><a:ea typeface="{CHINESE}"/>' if mono else ""
    align = "r" if kind == "sldNum" else "l"
    field = '<a:fld id="{8C1F6B0E-6C2B-4B43-9D4A-5B8C7C8E3C11}" type="slidenum">'
    text = f"{field}<a:rPr/><a:t>‹#›</a:t></a:fld>" if kind == "sldNum" else _run(prompt)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{kind} {number}"/><p:cNvSpPr>'
        f'<a:spLocks noGrp="1"/></p:cNvSpPr><p:nvPr><p:ph {which}/></p:nvPr></p:nvSpPr><p:spPr>'
        f"{_place(box)}{_RECT}{_PANEL if ground else ''}</p:spPr><p:txBody>"
        f'<a:bodyPr vert="horz" wrap="square" lIns="{inset}" tIns="{inset}" rIns="{inset}" '
        f'bIns="{inset}" rtlCol="0" anchor="{anchor}"><a:noAutofit/></a:bodyPr><a:lstStyle>'
        f'<a:lvl1pPr marL="{indent}" indent="{-indent}" algn="{align}">{after if bullets else ""}'
        f'{mark}<a:defRPr sz="{round(size * 100)}" b="{int(bold)}"><a:solidFill>'
        f'<a:schemeClr val="{colour}"/></a:solidFill>{font}</a:defRPr></a:lvl1pPr></a:lstStyle>'
        f"<a:p>{text}</a:p></p:txBody></p:sp>"
    )


def _place(box: Box) -> str:
    return (
        f'<a:xfrm><a:off x="{emu(box.left)}" y="{emu(box.top)}"/>'
        f'<a:ext cx="{emu(box.width)}" cy="{emu(box.height)}"/></a:xfrm>'
    )


def _run(text: str) -> str:
    return f"<a:r><a:t>{text}</a:t></a:r>" if text else ""


def _add_layout(made: Any, key: Key, number: int, words: tuple[str, ...]) -> Any:
    """Add a layout to the master; python-pptx has no call for that."""
    from pptx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
    from pptx.opc.packuri import PackURI
    from pptx.oxml import parse_xml
    from pptx.parts.slide import SlideLayoutPart

    master = made.slide_master
    name = PackURI(f"/ppt/slideLayouts/slideLayout{number + 1}.xml")
    kind = CONTENT_TYPE.PML_SLIDE_LAYOUT
    xml = _layout(key, words).encode()
    part = SlideLayoutPart.load(name, kind, made.part.package, xml)
    part.relate_to(master.part, RELATIONSHIP_TYPE.SLIDE_MASTER)
    relation = master.part.relate_to(part, RELATIONSHIP_TYPE.SLIDE_LAYOUT)
    entry = f'<p:sldLayoutId {SPACES} id="{2147483700 + number}" r:id="{relation}"/>'
    master._element.get_or_add_sldLayoutIdLst().append(parse_xml(entry))
    return part.slide_layout


def _layout(key: Key, words: tuple[str, ...]) -> str:
    layout, parts = key
    opening = layout == "title"
    sizes = placing.OPENINGS if opening else placing.TITLES
    place, anchor = pages.title_place(layout, parts), "b" if opening else "ctr"
    shapes = [_shape(2, "title", None, place, words[7], sizes[0], anchor=anchor, bold=True)]
    for order, (kind, box) in enumerate(zip(parts, pages.places(layout, parts), strict=True)):
        shapes += _placeholders(kind, order, box, opening, words[7])
    shapes.append(_shape(90, "body", LINK, placing.LINK, words[7], SMALLEST, colour="tx2"))
    shapes.append(_shape(91, "sldNum", NUMBER, placing.NUMBER, "", SMALLEST, colour="tx2"))
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><p:sldLayout {SPACES} '
        f'preserve="1" userDrawn="1"><p:cSld name="{layout_name(key, words)}"><p:spTree>{_GROUP}'
        f"{''.join(shapes)}</p:spTree></p:cSld><p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr>"
        "</p:sldLayout>"
    )


def layout_name(key: Key, words: tuple[str, ...]) -> str:
    """Return what a layout is called in the menu."""
    layout, parts = key
    kinds = {Points: words[1], Pictures: words[2], Cells: words[3], Code: words[4]}
    said = words[5].join(kinds[part] for part in parts)
    if layout == "title":
        return words[0] + (f": {said}" if parts not in ((), (Points,)) else "")
    return said or words[6]


def _placeholders(kind: type[Part], order: int, box: Box, opening: bool, prompt: str) -> list[str]:
    """Return the placeholders of one part: its content, its caption and its second column."""
    first, idx = 10 * (order + 1), CONTENT + order
    caption = Box(box.left, box.bottom - SMALLEST * 1.45, box.width, SMALLEST * 1.45)
    above = Box(box.left, box.top, box.width, box.height - caption.height - 4)
    foot = _shape(first + 1, "body", CAPTION + order, caption, prompt, SMALLEST, colour="tx2")
    if kind is Points:
        colour = "tx2" if opening else "tx1"
        size = placing.TEXTS[0]
        anchor = "t" if opening else "ctr"
        return [
            _shape(first, "body", idx, box, prompt, size, anchor=anchor, bullets=not opening,
                   colour=colour)
        ]  # fmt: skip
    if kind is Pictures:
        return [_shape(first, "pic", idx, above, prompt, SMALLEST), foot]
    if kind is Cells:
        return [_shape(first, "tbl", idx, above, prompt, SMALLEST), foot]
    code, column = (each.grown(INSET) for each in listing.beside(above, 200.0))
    return [
        _shape(first, "body", idx, code, prompt, listing.SIZES[0], ground=True, mono=True),
        _shape(first + 2, "body", ASIDE + order, column, prompt, listing.ASIDES[0], ground=True),
        foot,
    ]
