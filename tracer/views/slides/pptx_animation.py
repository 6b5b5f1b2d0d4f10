"""Points that appear one by one: the part of a PowerPoint slide that python-pptx does not write."""

from __future__ import annotations

from itertools import count

_SPACE = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_AT_ONCE = '<p:stCondLst><p:cond delay="0"/></p:stCondLst>'
_ON_CLICK = '<p:stCondLst><p:cond delay="indefinite"/></p:stCondLst>'
_SLIDE = '<p:cond evt="on{}" delay="0"><p:tgtEl><p:sldTgt/></p:tgtEl></p:cond>'


def appearing(shape: int, paragraphs: int) -> str:
    """Return the ``p:timing`` of a slide on which a shape's paragraphs appear at a click each.

    Args:
        shape: its id on the slide.
        paragraphs: how many it has.
    """
    numbers = count(3)
    clicks = "".join(_click(shape, index, numbers) for index in range(paragraphs))
    conditions = "".join(
        f"<p:{name.lower()}CondLst>{_SLIDE.format(name)}</p:{name.lower()}CondLst>"
        for name in ("Prev", "Next")
    )
    return (
        f"<p:timing {_SPACE}><p:tnLst><p:par>"
        '<p:cTn id="1" dur="indefinite" restart="never" nodeType="tmRoot"><p:childTnLst>'
        '<p:seq concurrent="1" nextAc="seek"><p:cTn id="2" dur="indefinite" nodeType="mainSeq">'
        f"<p:childTnLst>{clicks}</p:childTnLst></p:cTn>{conditions}</p:seq></p:childTnLst></p:cTn>"
        f'</p:par></p:tnLst><p:bldLst><p:bldP spid="{shape}" grpId="0" build="p"/></p:bldLst>'
        "</p:timing>"
    )


def _click(shape: int, index: int, numbers: count[int]) -> str:
    """A click; in it, what happens together; in that, the effect (1: "appear")."""
    target = (
        f'<p:spTgt spid="{shape}"><p:txEl><p:pRg st="{index}" end="{index}"/></p:txEl></p:spTgt>'
    )
    click, together, effect, change = (next(numbers) for _ in range(4))
    appear = (
        f'<p:set><p:cBhvr><p:cTn id="{change}" dur="1" fill="hold">{_AT_ONCE}</p:cTn>'
        f"<p:tgtEl>{target}</p:tgtEl><p:attrNameLst><p:attrName>style.visibility</p:attrName>"
        '</p:attrNameLst></p:cBhvr><p:to><p:strVal val="visible"/></p:to></p:set>'
    )
    inner = (
        f'<p:par><p:cTn id="{effect}" presetID="1" presetClass="entr" presetSubtype="0" '
        f'fill="hold" grpId="0" nodeType="clickEffect">{_AT_ONCE}'
        f"<p:childTnLst>{appear}</p:childTnLst></p:cTn></p:par>"
    )
    middle = (
        f'<p:par><p:cTn id="{together}" fill="hold">{_AT_ONCE}'
        f"<p:childTnLst>{inner}</p:childTnLst></p:cTn></p:par>"
    )
    return (
        f'<p:par><p:cTn id="{click}" fill="hold">{_ON_CLICK}'
        f"<p:childTnLst>{middle}</p:childTnLst></p:cTn></p:par>"
    )
