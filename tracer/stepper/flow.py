"""Commands that follow a tensor along the data flow."""

from __future__ import annotations

from tracer.errors import MissingError
from tracer.record import Call, query
from tracer.stepper import text
from tracer.stepper.language import Reply, Stepper, command, expression
from tracer.stepper.readable import TensorView, tensors_of


@command("origin")
def origin(stepper: Stepper, argument: str) -> Reply:
    """Where a tensor comes from."""
    lines: list[str] = []
    for view in _tensors(stepper, argument, "origin"):
        lines += _came_from(stepper, view, "", 4, set())
    return Reply("\n".join(lines))


def _tensors(stepper: Stepper, argument: str, name: str) -> list[TensorView]:
    """Return the tensors in an expression's value, at most eight."""
    found = list(tensors_of(stepper.evaluate(expression(argument, name))))
    if not found:
        raise MissingError(f"{text.clean(argument, 60)} holds no tensor")
    return found[:8]


def _came_from(
    stepper: Stepper, view: TensorView, indent: str, depth: int, seen: set[int]
) -> list[str]:
    """Return the call that made a tensor and, indented, what that call was given."""
    state = view.state
    lines = [f"{indent}{text.shape(state.summary)} {_maker(stepper, view)}"]
    if depth == 1 or state.producer is None or state.id in seen:
        return lines
    seen.add(state.id)
    given = dict.fromkeys(stepper.trace.calls[state.producer].args.tensors())
    sources = [stepper.trace.tensors[g] for g in given if g != state.id]
    for source in sources:
        if not source.name:
            inner = TensorView(source, stepper.trace)
            lines += _came_from(stepper, inner, indent + "  ", depth - 1, seen)
    if named := [f"{text.clean(s.name)} {list(s.summary.shape)}" for s in sources if s.name]:
        lines.append(f"{indent}  of the model: {', '.join(named)}")
    return lines


def _maker(stepper: Stepper, view: TensorView) -> str:
    state = view.state
    if state.name:
        return f"is {text.clean(state.name)}, of the model"
    if state.producer is None:
        return "came from outside"
    how = "written in place by" if state.previous is not None else "made by"
    return f"{how} {_step_of(stepper, stepper.trace.calls[state.producer])}"


def _step_of(stepper: Stepper, call: Call) -> str:
    """Return a call, the call around it and the line that made it, with its step."""
    around = stepper.trace.calls[call.parent] if call.parent is not None else None
    inside = f" in {text.clean(around.label)}" if around else ""
    place = call.called_from
    if place is None and around is not None:
        place = stepper.timeline.place(around, call.start)
    at = f", {text.clean(place.file)}:{place.line}" if place else ""
    return f"{call.kind} {text.clean(call.label)}{inside} (step {call.start}{at})"


@command("uses")
def uses(stepper: Stepper, argument: str) -> Reply:
    """Where a tensor goes."""
    lines: list[str] = []
    for view in _tensors(stepper, argument, "uses"):
        users = query.uses(stepper.trace, view.state.id)
        lines.append(f"{text.shape(view.state.summary)} {_maker(stepper, view)}")
        lines += [f"  taken by {_step_of(stepper, call)}" for call in users[:20]]
        lines += [f"  … and {len(users) - 20} more"] if len(users) > 20 else []
        lines += [f"  {_end_of(stepper, view)}"] if view.state.overwritten_by is not None else []
        lines += [] if users or view.state.overwritten_by is not None else ["  taken by no call"]
    return Reply("\n".join(lines))


def _end_of(stepper: Stepper, view: TensorView) -> str:
    writer = view.state.overwritten_by
    assert writer is not None
    return f"overwritten in place by {_step_of(stepper, stepper.trace.calls[writer])}"
