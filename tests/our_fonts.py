"""The package's fonts for programs of the machine that know only installed ones."""

from __future__ import annotations

from pathlib import Path

from tracer.views.kit import fonts


def with_our_fonts(folder: Path) -> dict[str, str]:
    """Return what a program needs in its environment to find the package's fonts as well.

    Args:
        folder: an empty one, for the configuration and its cache.
    """
    configuration = folder / "fonts.conf"
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{fonts.FOLDER}</dir><dir>/usr/share/fonts</dir>"
        f"<cachedir>{folder / 'cache'}</cachedir></fontconfig>",
        "utf-8",
    )
    return {"FONTCONFIG_FILE": str(configuration)}


def without_fonts(folder: Path) -> dict[str, str]:
    """Return an environment in which the machine has no font, and matplotlib knows of none."""
    configuration = folder / "no-fonts.conf"
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<cachedir>{folder / 'cache'}</cachedir></fontconfig>",
        "utf-8",
    )
    return {
        "FONTCONFIG_FILE": str(configuration),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "XDG_DATA_HOME": str(folder),
        "HOME": str(folder),
    }
