"""The extension for VS Code as a file: whole, the same each time, and of one piece."""

from __future__ import annotations

import argparse
import io
import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from handmade import tiny_pass

from tracer import __version__
from tracer.cli import main
from tracer.commands import run as recording
from tracer.dap.opening import OURS, Opening
from tracer.dap.protocol import Fields
from tracer.dap.session import Session
from tracer.editors.vsix import vsix
from tracer.languages import languages


@pytest.fixture(scope="module")
def files():
    with zipfile.ZipFile(io.BytesIO(vsix(__version__))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


@pytest.fixture(scope="module")
def package(files):
    return json.loads(files["extension/package.json"])


@pytest.fixture(scope="module")
def script(files):
    return files["extension/extension.js"]


def test_the_file_is_the_same_each_time():
    assert vsix("1.2.3") == vsix("1.2.3") != vsix("1.2.4")


def test_the_manifest_says_whose_it_is(files, package):
    manifest = ElementTree.fromstring(files["extension.vsixmanifest"])
    names = {"v": "http://schemas.microsoft.com/developer/vsx-schema/2011"}
    identity = manifest.find("v:Metadata/v:Identity", names)
    assert identity.attrib["Version"] == package["version"] == __version__
    assert (identity.attrib["Publisher"], identity.attrib["Id"]) == ("rcnn-tracer", "rcnn-tracer")
    assets = [asset.attrib["Path"] for asset in manifest.iterfind("v:Assets/v:Asset", names)]
    assert set(assets) <= set(files)
    types = ElementTree.fromstring(files["[Content_Types].xml"])
    known = {each.attrib["Extension"] for each in types}
    assert {f".{name.rpartition('.')[2]}" for name in files} - {".xml"} == known


def test_every_text_is_there_in_every_language(files, package):
    asked = set(re.findall(r'"%([\w.]+)%"', files["extension/package.json"]))
    assert "%" not in re.sub(r'"%[\w.]+%"', "", files["extension/package.json"])
    for name in ("", ".zh", ".zh-cn"):
        assert asked <= set(json.loads(files[f"extension/package.nls{name}.json"]))
    english = json.loads(files["extension/messages.json"])
    assert package["l10n"] == "./l10n"
    for lang in languages()[1:]:
        said = json.loads(files[f"extension/l10n/bundle.l10n.{lang}.json"])
        assert set(said) == set(english.values())


def test_the_script_says_what_there_is(files, script):
    english = json.loads(files["extension/messages.json"])
    asked = {
        key
        for call in re.findall(r"\bsay\(([^)]*)", script)
        for key in re.findall(r'"(\w+)"', call)
    }
    assert asked == set(english)


def test_the_script_does_what_the_menus_offer(package, script):
    registered = set(re.findall(r'registerCommand\("([\w.-]+)"', script))
    offers = package["contributes"]
    assert {each["command"] for each in offers["commands"]} < registered
    debugger = offers["debuggers"][0]
    assert {*debugger["variables"].values()} < registered
    for menu in offers["menus"].values():
        assert {each["command"] for each in menu} < registered
    assert f'const TYPE = "{debugger["type"]}"' in script


def test_launch_takes_what_the_server_takes(package):
    parser = argparse.ArgumentParser(add_help=False)
    recording.add_arguments(parser)
    flags = [max(a.option_strings, key=len) for a in parser._actions if a.option_strings]
    options = {re.sub("-(.)", lambda m: m[1].upper(), flag.lstrip("-")) for flag in flags}
    launch = package["contributes"]["debuggers"][0]["configurationAttributes"]["launch"]
    assert set(launch["properties"]) == {*options, *OURS, "pictures"}


@pytest.mark.parametrize("output", ["made.safetensors", None])
def test_a_page_is_made_of_what_is_recorded_first_once_it_is_saved(output):
    opening = Opening(None, lambda options, progress: tiny_pass())
    session = Session(SimpleNamespace(send=print), opening)
    fields = {"build": True, **({"output": output} if output else {})}
    opening(session, "launch", Fields(fields, "arguments"))
    assert session.recording == (str(Path(output).resolve()) if output else "")


def test_the_command_writes_it_and_nothing_else_is_lost(tmp_path, capsys):
    file = tmp_path / "rcnn-tracer.vsix"
    for _ in range(2):
        assert main(["dap", "--vscode", str(file)]) == 0
        assert "code --install-extension" in capsys.readouterr().out
    assert file.read_bytes() == vsix(__version__)
    file.write_text("notes")
    assert main(["dap", "--vscode", str(file)]) == 2
    assert "is a text file already" in capsys.readouterr().err
    assert main(["dap", "--vscode", str(file), "--overwrite"]) == 0
