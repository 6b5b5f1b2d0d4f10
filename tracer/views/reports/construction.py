"""What the calls of a construction made."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.record import Call, Line, Value


def built(call: Call, lines: Iterable[Line]) -> Value | None:
    """Return the module that a builder's call returned, or that a method of it had become.

    An ``__init__`` returns nothing; what it made of its `self` is known from its lines.
    """
    if call.result is not None and call.result.kind == "module":
        return call.result
    name, own = next(iter(call.args.items), ("", None))
    if own is None or own.kind != "module" or call.error:
        return None
    later = [dict(line.changed).get(name) for line in lines]
    return next((value for value in reversed(later) if value is not None), None)


def added(call: Call, value: Value | None) -> int | None:
    """Return the parameters of `value`, which a call built, less those of the modules that went in.

    Negative where a builder drops more than it adds (a classifier's `fc`, when its body becomes
    a backbone); None if it is not known to have built anything. The `self` of a method that
    returns a module went in only if it is that module.
    """
    if value is None or value.params is None:
        return None
    given = dict(call.args.items)
    if value is call.result:
        given.pop("self", None)
    leaves = (leaf for item in given.values() for _, leaf in item.leaves())
    return value.params[0] - sum(
        leaf.params[0] for leaf in leaves if leaf.kind == "module" and leaf.params
    )
