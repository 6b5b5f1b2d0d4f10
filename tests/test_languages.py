"""What is said to readers is data: a language is a folder, whole or not."""

from __future__ import annotations

import argparse
import re
import string
import textwrap
from pathlib import Path

import pytest
from anatomy_passes import recorded
from handmade import tiny_pass
from matplotlib.text import Text

from tracer import cli, commands, languages
from tracer.errors import InputError
from tracer.languages import Texts
from tracer.rcnn import texts as narrated
from tracer.rcnn.classes import names_in
from tracer.rcnn.narration import commentary, explain
from tracer.stepper.help import help_overview
from tracer.views.explorers import explore
from tracer.views.figures import FIGURES
from tracer.views.page import page
from tracer.views.page.data import contents
from tracer.views.reports.table import table
from tracer.views.slides import deck, outline

FOLDER = Path(languages.__file__).parent
ROOMS = sorted(path.stem for path in (FOLDER / "en").glob("*.toml"))
OTHERS = [lang for lang in languages.languages() if lang != "en"]
OWN = {"classes": "names."}
"""Texts that English has none of: names of classes are English."""


def gaps(text: str) -> set[str]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def own(room: str, lang: str) -> dict[str, str]:
    """A language's own texts of a room, without what it says in English."""
    return dict(languages._flat(languages.own(room, lang)))


def test_there_are_two_and_their_files_are_the_same():
    assert languages.languages()[:2] == ("en", "zh")
    for lang in OTHERS:
        assert sorted(path.stem for path in (FOLDER / lang).glob("*.toml")) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("lang", OTHERS)
def test_a_language_of_ours_has_every_text_with_the_same_numbers(room, lang):
    english, other = own(room, "en"), own(room, lang)
    extra = {key for key in other if key.startswith(OWN.get(room, "…"))}
    assert set(english) == set(other) - extra
    assert [key for key, text in other.items() if not text] == []
    assert [key for key in english if gaps(english[key]) != gaps(other[key])] == []


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"no language 'cn'.*there are: en, zh"):
        Texts("reports")("total", "cn")


def test_a_paragraph_is_joined_as_its_language_is_set():
    assert languages.joined("one\ntwo\n") == "one two"
    assert languages.joined("一个框，\n两个\n框 a\nb\n") == "一个框，两个框 a b"


# --- a third one: a folder of data, and nothing else ----------------------------------------------

FRENCH = {
    "language": """
        name = "Français"
        tag = "fr-FR"
        html = "fr"
    """,
    "reports": """
        total = "Total général"
        title_eval = "{subject} : un passage en mode évaluation"
    """,
    "figures": """
        anchors = "ancres"
        [figure.balance]
        listed = "Positifs et négatifs"
        title = "L'équilibre des positifs et des négatifs"
        [figure.funnel]
        title = "De {anchors:,} ancres à {proposals:,} propositions"
    """,
    "page": """
        tree = "Appels"
        language_hint = "Afficher en français"
        calls = "{n} appels"
    """,
    "stepper": """
        [groups]
        forwards = "En avant"
    """,
    "explorers": """
        level = "niveau"
    """,
    "slides": """
        step_by_step = "{subject} pas à pas"
        [stage]
        fpn = "Pyramide"
    """,
    "walkthrough": """
        [fpn-code]
        title = "Le code de la pyramide"
    """,
    "explain": """
        papers = "Articles"
    """,
    "commentary": """
        [stage.fpn]
        title = "La pyramide"
        text = \"\"\"
        Deux lignes
        d'un paragraphe.
        \"\"\"
        [function."FeaturePyramidNetwork.forward"]
        lines = ["Une remarque."]
    """,
    "classes": """
        background = "fond"
        [names]
        __background__ = "fond"
        circle = "cercle"
    """,
}


def forget() -> None:
    """Forget what was found of languages."""
    known = (languages.languages, languages.own, languages._texts)
    for each in (*known, narrated.entries, narrated._files, outline.catalogue):
        each.cache_clear()


@pytest.fixture
def french(tmp_path, monkeypatch):
    """A folder of French, in which most is lacking."""
    folder = tmp_path / "fr"
    folder.mkdir()
    for room, text in FRENCH.items():
        (folder / f"{room}.toml").write_text(textwrap.dedent(text), "utf-8")
    monkeypatch.setattr(languages, "FOLDERS", [*languages.FOLDERS, tmp_path])
    forget()
    yield "fr"
    monkeypatch.undo()
    forget()


def test_a_third_language_is_a_folder(french):
    assert languages.languages() == ("en", "fr", "zh")
    word = Texts("reports")
    assert word("total", "fr") == "Total général"
    assert word("total", "zh") == "合计"
    assert word("call", "fr") == "Call", "English where it lacks one"
    assert names_in(("__background__", "circle"), "fr") == ("fond", "cercle")
    assert names_in(("__background__", "star"), "fr") == ("fond", "star")
    assert "En avant" in help_overview("fr")
    assert "Backwards" in help_overview("fr")


def test_a_path_finds_the_entries_that_are_there_now(french):
    entry = narrated.path_entry("backbone.body.conv1")
    forget()
    assert entry is not None
    assert narrated.path_entry("backbone.body.conv1") is not entry
    assert narrated.path_entry("backbone.body.conv1") is narrated.entries()["path", entry.key]


def test_a_report_is_in_it(french):
    made = table(tiny_pass(), lang="fr")
    assert made.title.startswith("TinyNet : un passage en mode évaluation")
    assert made.totals[0] == "Total général"
    assert made.columns[0].title == "Call"


def test_the_commands_offer_it(french, capsys):
    cli.main(["explain", "--help"])
    assert "{en,fr,zh,both}" in capsys.readouterr().out


def test_the_commentary_is_in_it(french):
    told = commentary(stage="fpn", lang="fr")
    assert (told.title, told.text) == ("La pyramide", ("Deux lignes d'un paragraphe.",))
    assert "**Articles**" in explain(None, stage="fpn", lang="fr")
    function = commentary(function="FeaturePyramidNetwork.forward", lang="fr")
    english = commentary(function="FeaturePyramidNetwork.forward")
    assert function.text == english.text
    assert [note.text for note in function.notes] == [
        "Une remarque.", *(note.text for note in english.notes[1:])
    ]  # fmt: skip


def test_the_page_holds_it(french):
    _, data = contents(tiny_pass()).data("fr")
    assert data["languages"]["fr"] == ["Français", "fr"]
    at = list(data["languages"]).index("fr")
    assert data["texts"]["tree"][at] == "Appels"
    assert data["texts"]["timeline"][at] == "Timeline"
    assert " appels" in data["labels"]["facts"][at]
    assert '<html lang="fr">' in page(tiny_pass(), lang="fr")


@pytest.mark.slow
def test_figures_slides_and_explorers_are_in_it(french):
    trace = recorded(train=True).trace
    drawn = FIGURES["balance"].draw(trace, lang="fr")
    said = {text.get_text() for text in drawn.findobj(Text)}
    assert {"L'équilibre des positifs et des négatifs", "ancres", "proposals"} <= said
    assert FIGURES["balance"].title("fr") == "Positifs et négatifs"
    level = explore(trace, "anchors", lang="fr").controls["level"]
    assert level.label == "niveau"
    made = deck(trace, lang="fr", stages=["fpn"])
    assert made.title == "Pyramide"
    titles = {slide.key: slide.title for slide in made.slides}
    assert titles["fpn-code"] == "Le code de la pyramide"
    assert titles["fpn-merges"] == outline.catalogue()["fpn-merges"].title["en"]
    every = deck(trace, lang="both", stages=["fpn"])
    assert {slide.lang for slide in every.slides} == {"en", "fr", "zh"}


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("page", "vscode")])
def test_every_text_is_asked_for(room):
    """By its key, or by that of its table; `test_page` and `test_vsix` see to what is left out."""
    code = "".join(path.read_text("utf-8") for path in FOLDER.parent.rglob("*.py"))
    words = set(re.findall(r"[\w-]+", code))
    stems = tuple(re.findall(r'f"(\w+_)\{', code))
    keys = {key.partition(".")[0] for key in own(room, "en")}
    assert [key for key in keys - words if not key.startswith(stems)] == []


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "zh-Hans-CN"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "en_GB.UTF-8"}, "zh"),
        ({"LC_ALL": "", "LC_MESSAGES": "en_US", "LANG": "zh_CN"}, "en"),
    ],
)
def test_the_locale_chooses_the_language(environment, lang):
    assert languages.preferred(environment) == lang


def default_language(name):
    """What a command speaks unless told otherwise; None if it says nothing that is translated."""
    parser = argparse.ArgumentParser()
    commands.load(name).add_arguments(parser)
    return parser.get_default("lang")


SPEAKING = [name for name in commands.NAMES if default_language(name) is not None]


@pytest.mark.parametrize("name", SPEAKING)
def test_every_command_with_a_language_follows_the_locale(name, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert default_language(name) in ("zh", "both")
