"""Requests that begin and end a session: what the client is, what it steps through, and the end."""

from __future__ import annotations

from typing import Any

from tracer.dap.moving import arrived
from tracer.dap.protocol import Fields, ProtocolError
from tracer.dap.session import Session, request
from tracer.languages import languages

Body = dict[str, Any]

CAPABILITIES: Body = {
    **dict.fromkeys(
        (
            "supportsConfigurationDoneRequest",
            "supportsFunctionBreakpoints",
            "supportsConditionalBreakpoints",
            "supportsHitConditionalBreakpoints",
            "supportsLogPoints",
            "supportsBreakpointLocationsRequest",
            "supportsDataBreakpoints",
            "supportsExceptionInfoRequest",
            "supportsExceptionFilterOptions",
            "supportsStepBack",
            "supportsRestartFrame",
            "supportsGotoTargetsRequest",
            "supportsStepInTargetsRequest",
            "supportsSteppingGranularity",
            "supportsDelayedStackTraceLoading",
            "supportsEvaluateForHovers",
            "supportsCompletionsRequest",
            "supportsClipboardContext",
            "supportsReadMemoryRequest",
            "supportsLoadedSourcesRequest",
            "supportsModulesRequest",
            "supportsTerminateRequest",
            "supportsCancelRequest",
            "supportTerminateDebuggee",
        ),
        True,
    ),
    **dict.fromkeys(
        (
            "supportsSetVariable",
            "supportsSetExpression",
            "supportsRestartRequest",
            "supportsExceptionOptions",
            "supportsValueFormattingOptions",
            "supportsTerminateThreadsRequest",
            "supportsWriteMemoryRequest",
            "supportsDisassembleRequest",
            "supportsInstructionBreakpoints",
            "supportsSingleThreadExecutionRequests",
            "supportSuspendDebuggee",
        ),
        False,
    ),
    "completionTriggerCharacters": [".", "["],
}
"""What there is, and what there is not: a recording cannot be changed."""


@request("initialize", needs="")
def initialize(session: Session, fields: Fields) -> Body:
    """Say what there is."""
    if session.initialized:
        raise ProtocolError("initialize comes once")
    fields.text("adapterID", "")
    session.lines_from = int(fields.flag("linesStartAt1", True))
    session.columns_from = int(fields.flag("columnsStartAt1", True))
    locale = fields.text("locale", "").partition("-")[0].partition("_")[0].lower()
    session.lang = locale if locale in languages() else session.lang
    session.shows_progress = fields.flag("supportsProgressReporting")
    session.initialized = True
    filters = [
        {
            "filter": name,
            "label": session.say(f"filter.{name}"),
            "default": name == "raised",
            "supportsCondition": True,
        }
        for name in ("raised", "nan", "inf")
    ]
    return {**CAPABILITIES, "exceptionBreakpointFilters": filters}


@request("launch", needs="initialize")
def launch(session: Session, fields: Fields) -> None:
    """Open a recording, or record one."""
    _start(session, "launch", fields)


@request("attach", needs="initialize")
def attach(session: Session, fields: Fields) -> None:
    """Take part in a run that is under way."""
    _start(session, "attach", fields)


def _start(session: Session, kind: str, fields: Fields) -> None:
    if session.stepper is not None:
        raise ProtocolError(f"{kind} comes once: something is open already")
    session.stop_on_entry = fields.flag("stopOnEntry", session.stop_on_entry)
    session.start(session, kind, fields)
    session.afterwards(lambda: session.event("initialized"))


@request("configurationDone", needs="stepper")
def configuration_done(session: Session, fields: Fields) -> None:
    """Begin: the client has set its breakpoints."""
    if session.configured:
        raise ProtocolError("configurationDone comes once")
    session.configured = True
    session.afterwards(lambda: _begin(session))


def _begin(session: Session) -> None:
    if session.cursor.live:
        session.resumed = True
    elif not session.stop_on_entry:
        before = session.cursor.tick
        arrived(session, before, session.cursor.on(), "continue")
    elif session.error():
        session.stopped("exception", text=session.error())
    else:
        session.stopped("entry")


@request("cancel", needs="")
def cancel(session: Session, fields: Fields) -> None:
    """Nothing that can be cancelled is under way, or it is told elsewhere."""


@request("disconnect", needs="")
def disconnect(session: Session, fields: Fields) -> None:
    """Leave."""
    session.leaves_run = fields.flag("terminateDebuggee", False)
    session.over = True


@request("terminate", needs="")
def terminate(session: Session, fields: Fields) -> None:
    """End what is stepped through; the client disconnects then."""
    session.leaves_run = True
    if session.stepper is None or not session.stepper.live:
        session.afterwards(session.terminate)
