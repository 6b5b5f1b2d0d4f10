"""The extension for VS Code as one file: ``vscode/`` with its texts in every language.

A ``.vsix`` is an Open Packaging zip of a manifest, the types of its files, and the extension in a
folder. See https://code.visualstudio.com/api/references/extension-manifest for what is in that.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from importlib import resources
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tracer.languages import Texts, about, languages

FILES = ("extension.js", "README.md")
"""What is in ``vscode/`` beside ``package.json``."""

TYPES = {"json": "application/json", "js": "application/javascript", "md": "text/markdown"}
BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, in a zip: the same bytes whenever it is made

texts = Texts("vscode")

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'


def vsix(version: str) -> bytes:
    """Return the extension as a ``.vsix`` file, the same bytes each time.

    Args:
        version: of the package, which is the extension's too.
    """
    package = json.loads(_static("package.json")) | {"version": version}
    files = dict(_extension(package))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        _add(archive, "extension.vsixmanifest", _manifest(package))
        _add(archive, "[Content_Types].xml", _types())
        for name, text in files.items():
            _add(archive, f"extension/{name}", text)
    return made.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    entry = zipfile.ZipInfo(name, BEGINNING)
    entry.create_system = 3  # Unix, wherever it is made
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, text.encode("utf-8"))


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("vscode").joinpath(name).read_text("utf-8")


def _extension(package: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the files of the extension, by name."""
    yield "package.json", _json(package)
    for name in FILES:
        yield name, _static(name)
    english = texts.table("message", "en")
    yield "messages.json", _json(english)
    yield "package.nls.json", _json(dict(texts.all("en")))
    for lang in languages():
        if lang == "en":
            continue
        said = {english[key]: text for key, text in texts.table("message", lang).items()}
        for code in _codes(lang):
            yield f"package.nls.{code}.json", _json(dict(texts.all(lang)))
            yield f"l10n/bundle.l10n.{code}.json", _json(said)


def _codes(lang: str) -> list[str]:
    """Return what VS Code may call a language: ``zh-cn`` and ``zh``."""
    return sorted({lang, about("tag", lang).lower()})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _manifest(package: dict[str, Any]) -> str:
    """Return the manifest, which says whose extension it is and which VS Code it needs."""
    identity = {
        "Language": "en-US",
        "Id": package["name"],
        "Version": package["version"],
        "Publisher": package["publisher"],
    }
    needs = {"Engine": package["engines"]["vscode"], "ExtensionKind": package["extensionKind"][0]}
    properties = "".join(
        f"      <Property Id={quoteattr(f'Microsoft.VisualStudio.Code.{name}')} "
        f"Value={quoteattr(value)}/>\n"
        for name, value in needs.items()
    )
    return f"""{_XML}<PackageManifest Version="2.0.0" \
xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity {" ".join(f"{name}={quoteattr(value)}" for name, value in identity.items())}/>
    <DisplayName>{escape(texts("name"))}</DisplayName>
    <Description xml:space="preserve">{escape(texts("description"))}</Description>
    <Tags>{escape(",".join(package["keywords"]))}</Tags>
    <Categories>{escape(",".join(package["categories"]))}</Categories>
    <Properties>
{properties}    </Properties>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" \
Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" \
Addressable="true"/>
  </Assets>
</PackageManifest>
"""


def _types() -> str:
    """Return the types of the files by their endings."""
    known = "".join(
        f'<Default Extension=".{ending}" ContentType="{kind}"/>'
        for ending, kind in {**TYPES, "vsixmanifest": "text/xml"}.items()
    )
    namespace = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'{_XML}<Types xmlns="{namespace}">{known}</Types>\n'
