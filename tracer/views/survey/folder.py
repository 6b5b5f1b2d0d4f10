"""A survey as files in a folder."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracer.files import put
from tracer.languages import languages
from tracer.surveys.data import Survey
from tracer.views.reports.report import Table
from tracer.views.reports.survey import records, say, tables
from tracer.views.survey.page import document

RECORDS = ("pictures", "objects", "detections")


def write_survey(
    survey: Survey, folder: Path, lang: str = "en", links: Mapping[int, str] | None = None
) -> Iterator[Path]:
    """Write page, figures, Markdown and CSV into a folder that is there, and yield their paths.

    Args:
        survey: the survey.
        folder: where to.
        lang: the language that the page opens in.
        links: where a page about an odd picture is, by the picture's number.
    """
    from tracer.views.figures.survey import survey_figures

    embedded: dict[str, dict[str, str]] = {}
    for each in languages():
        for name, figure in survey_figures(survey, each):
            content = io.BytesIO()
            figure.savefig(content, format="png")
            picture = content.getvalue()
            address = f"data:image/png;base64,{b64encode(picture).decode()}"
            embedded.setdefault(each, {})[name] = address
            yield put(folder / f"{name}.{each}.png", picture, "png")
    yield put(folder / "survey.html", document(survey, lang, embedded, links), "html")
    for each in languages():
        yield put(folder / f"survey.{each}.md", markdown(survey, each), "text")
    for which in RECORDS:
        table = records(survey, which)
        yield put(folder / f"{which}.csv", table.to("csv"), "text")
        packed = parquet(table)
        if packed is not None:
            yield put(folder / f"{which}.parquet", packed, "parquet")


def parquet(table: Table) -> bytes | None:
    """Return a table as a Parquet file; None where pyarrow is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet as writer
    except ImportError:
        return None
    columns = {column.key: table.column(column.key) for column in table.columns}
    content = io.BytesIO()
    writer.write_table(pyarrow.table(columns), content)
    return content.getvalue()


def markdown(survey: Survey, lang: str = "en") -> str:
    """Return the tables as a Markdown document."""
    title = say("title", lang, model=survey.subject.model, pictures=f"{len(survey):,}")
    parts = [f"# {title}", *(table.to("markdown") for table in tables(survey, lang).values())]
    return "\n\n".join(parts) + "\n"
