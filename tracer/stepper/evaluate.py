"""Expressions over recorded values, for conditions and `p`.

A trace may come from anywhere, so nothing in it or about it is ever handed to Python's own `eval`.
`parse` accepts a small part of Python's grammar (names, attributes, subscripts, arithmetic,
comparisons, `and`/`or`/`not`, a conditional, and calls of the functions below) and refuses the rest
by name. Attributes are looked up in the recording, never on Python objects; there are no loops, so
an expression costs what its length allows; what it makes is measured before it is made.

The page's `evaluate.js` is the same language in JavaScript: whole numbers and floats are distinct,
and both are held to the same answers by tests/test_conformance.py.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from tracer.errors import InputError, MissingError, TracerError, near
from tracer.stepper.readable import TORCH, Namespace, TensorView, TreeView, tensors_of
from tracer.stepper.scope import NEW

MAX_SOURCE = 1000
"""Characters in an expression."""

MAX_DEPTH = 40
"""How deep an expression may nest."""

MAX_BITS = 4096
"""Bits of an integer that an expression may make."""

MAX_TEXT = 100_000
"""Characters of a text, or entries of a tuple, that an expression may make."""

MAX_VALUES = 10_000_000
"""Values of an array that an expression may make by choosing from one."""


class EvaluationError(InputError):
    """An expression that cannot be computed from what was recorded."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it was typed.
        names: the names that it looks up.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Return its value, the names looked up in `scope`.

        Raises:
            EvaluationError: it makes no sense for these values, or would outgrow a limit.
            MissingError: a name, field or value is not there.
        """
        return _evaluate(self.tree, scope)


@lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """Return the expression that `text` spells.

    Raises:
        EvaluationError: it is empty, too long, not an expression, or uses what is not allowed.
    """
    text = text.strip()
    if not text:
        raise EvaluationError("an expression is missing, for instance x.shape[1] == 256")
    if len(text) > MAX_SOURCE:
        raise EvaluationError(f"the expression is longer than {MAX_SOURCE} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid decimal literal" and the like
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = getattr(error, "msg", None) or "nested too deep"
        raise EvaluationError(f"{_short(text)!r} is not an expression: {what}") from None
    _check(tree, text)
    called = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and n not in called)
    return Expression(text, tree, frozenset(n.id for n in found))


def _check(tree: ast.expr, text: str) -> None:
    """Refuse an expression with a node outside the whitelist, or nested too deep."""
    layer: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        for node in layer:
            if not isinstance(node, ALLOWED):
                raise EvaluationError(f"{_named(node)} cannot be used in {_short(text)!r}")
            if isinstance(node, ast.Constant) and not isinstance(node.value, CONSTANTS):
                raise EvaluationError(f"{node.value!r} cannot be used in an expression")
        layer = [child for node in layer for child in ast.iter_child_nodes(node)]
        if not any(isinstance(node, ast.expr) for node in layer):
            return
    raise EvaluationError(f"the expression nests deeper than {MAX_DEPTH}")


def _named(node: ast.AST) -> str:
    """Return what to call a refused node."""
    return REFUSED.get(type(node), type(node).__name__.lower())


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


REFUSED: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a generator",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "an f-string",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.Starred: "a star",
    ast.keyword: "a keyword (functions take no keywords here)",
    ast.Dict: "a dict",
    ast.Set: "a set",
}

CONSTANTS = (bool, int, float, str, type(None), type(...))

ALLOWED: tuple[type[ast.AST], ...] = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List),
    *(ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call),
    *(ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or, ast.Load),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
    *(ast.In, ast.NotIn, ast.Is, ast.IsNot),
)

# --- evaluation -----------------------------------------------------------------------------------


def _evaluate(node: ast.AST, scope: Mapping[str, Any]) -> Any:
    return EVALUATORS[type(node)](node, scope)


def _constant(node: ast.Constant, scope: Mapping[str, Any]) -> Any:
    return node.value


def _name(node: ast.Name, scope: Mapping[str, Any]) -> Any:
    try:
        return scope[node.id]
    except KeyError:
        pass
    if node.id == "torch":
        return TORCH
    raise MissingError(f"name {node.id!r} is not there{near(node.id, scope)}")


def _attribute(node: ast.Attribute, scope: Mapping[str, Any]) -> Any:
    return attribute(_evaluate(node.value, scope), node.attr)


def attribute(value: Any, name: str) -> Any:
    """Return the recorded property `name` of a value.

    Raises:
        EvaluationError: a value of this kind has no properties.
        MissingError: it has others.
    """
    if isinstance(value, (TensorView, TreeView, Namespace)):
        return value.attribute(name)
    if isinstance(value, np.ndarray) and name in ("shape", "ndim", "size"):
        return getattr(value, name)
    if isinstance(value, np.ndarray) and name in REDUCTIONS:
        return _reduced(value, name)
    raise EvaluationError(f"{_kind(value)} has no {name!r} here")


def _subscript(node: ast.Subscript, scope: Mapping[str, Any]) -> Any:
    value, key = _evaluate(node.value, scope), _evaluate(node.slice, scope)
    if isinstance(value, TreeView):
        return _guarded(lambda: value.item(key))
    if isinstance(value, TensorView):
        value = value.attribute("data")
    if isinstance(value, np.ndarray):
        return _guarded(lambda: _plain(value[_array_key(value, key)]))
    if not isinstance(value, (tuple, str)):
        raise EvaluationError(f"{_kind(value)} cannot be subscripted")
    return _guarded(lambda: value[key])


def _array_key(array: np.ndarray, key: Any) -> Any:
    """Return what chooses from an array: whole numbers, slices and new axes, or one array.

    Raises:
        EvaluationError: it is something else, or would choose more than `MAX_VALUES`.
    """
    key = key.attribute("data") if isinstance(key, TensorView) else key
    if isinstance(key, np.ndarray):
        row = array.size // max(1, len(array)) if array.ndim else 1
        if key.dtype != bool and key.size * row > MAX_VALUES:
            raise EvaluationError(f"the result has more than {MAX_VALUES} values")
        return key
    for part in key if isinstance(key, tuple) else (key,):
        if not isinstance(part, (int, slice, type(None), type(...))):
            raise EvaluationError(f"{_kind(part)} cannot be an index here")
    return key


def _slice(node: ast.Slice, scope: Mapping[str, Any]) -> slice:
    ends = (node.lower, node.upper, node.step)
    return slice(*(None if end is None else _evaluate(end, scope) for end in ends))


def _sequence(node: ast.Tuple | ast.List, scope: Mapping[str, Any]) -> Any:
    return tuple(_evaluate(item, scope) for item in node.elts)


def _unary(node: ast.UnaryOp, scope: Mapping[str, Any]) -> Any:
    value = _evaluate(node.operand, scope)
    if isinstance(node.op, ast.Not):
        return not truth(value)
    value = _operand(value)
    if isinstance(value, (str, tuple)):
        raise EvaluationError(f"{_kind(value)} has no sign")
    return _guarded(lambda: -value if isinstance(node.op, ast.USub) else +value)


def _binary(node: ast.BinOp, scope: Mapping[str, Any]) -> Any:
    left, right = _evaluate(node.left, scope), _evaluate(node.right, scope)
    left, right = _operand(left), _operand(right)
    _check_size(node.op, left, right)
    return _guarded(lambda: _plain(BINARY[type(node.op)](left, right)))


def _operand(value: Any) -> Any:
    """Return a tensor's kept values and a recorded list or tuple as a tuple; the rest as it is."""
    if isinstance(value, TensorView):
        return value.attribute("data")
    return _listed(value)


def _listed(value: Any) -> Any:
    """Return a recorded list or tuple as a tuple; the rest as it is."""
    if isinstance(value, TreeView) and value.value.kind == "sequence":
        return tuple(iter(value))  # by its entries: what it says of its length may be anything
    return value


def _check_size(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse what could outgrow memory before it is computed."""
    if isinstance(left, (str, tuple)) or isinstance(right, (str, tuple)):
        if not isinstance(op, ast.Add) or type(left) is not type(right):
            raise EvaluationError(f"{_kind(left)} and {_kind(right)} cannot be combined like this")
        if len(left) + len(right) > MAX_TEXT:
            raise EvaluationError(f"the result is longer than {MAX_TEXT}")
    _check_fit(left, right)
    if isinstance(left, int) and isinstance(right, int) and _bits(op, left, right) > MAX_BITS:
        raise EvaluationError(f"the result needs more than {MAX_BITS} bits")


def _check_fit(left: Any, right: Any) -> None:
    """Refuse an array with what numpy would stretch it by, or turn into Python objects for."""
    for array, other in ((left, right), (right, left)):
        if not isinstance(array, np.ndarray):
            continue
        if isinstance(other, np.ndarray) and array.shape != other.shape:
            raise EvaluationError(f"arrays of shapes {left.shape} and {right.shape} differ")
        if not isinstance(other, (np.ndarray, int, float)):
            raise EvaluationError(f"{_kind(array)} and {_kind(other)} cannot be combined like this")
        if isinstance(other, int) and other.bit_length() > 63:
            raise EvaluationError("the whole number does not fit the array's type")


def _bits(op: ast.operator, left: int, right: int) -> int:
    """Return how many bits the result may need."""
    if isinstance(op, ast.Pow):
        return left.bit_length() * abs(right)
    return left.bit_length() + right.bit_length()


def _boolean(node: ast.BoolOp, scope: Mapping[str, Any]) -> Any:
    stop = isinstance(node.op, ast.Or)
    value: Any = None
    for item in node.values:
        value = _evaluate(item, scope)
        if truth(value) == stop:
            break
    return value


def _compare(node: ast.Compare, scope: Mapping[str, Any]) -> Any:
    left, result = _evaluate(node.left, scope), True
    for op, item in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(item, scope)
        result = _compare_two(op, left, right)
        if len(node.ops) == 1:
            return result
        if not truth(result):
            return False
        left = right
    return result


def _compare_two(op: ast.cmpop, left: Any, right: Any) -> Any:
    if isinstance(op, (ast.In, ast.NotIn)):
        return _contains(right, left) == isinstance(op, ast.In)
    if isinstance(op, (ast.Is, ast.IsNot)):
        return _same(left, right) == isinstance(op, ast.Is)
    left, right = _operand(left), _operand(right)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        _check_fit(left, right)
        return _guarded(lambda: _plain(COMPARE[type(op)](left, right)))
    if isinstance(op, (ast.Eq, ast.NotEq)):
        return _equal(left, right) == isinstance(op, ast.Eq)
    return _guarded(lambda: _ordered(COMPARE[type(op)], left, right))


def _equal(left: Any, right: Any) -> bool:
    """Whether two values are equal, entry by entry; a tensor is equal to itself.

    Raises:
        EvaluationError: they are recorded objects, or arrays within something.
    """
    left, right = _listed(left), _listed(right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, TensorView) or isinstance(right, TensorView):
        return _same(left, right)
    for value in (left, right):
        if isinstance(value, (TreeView, np.ndarray, Namespace)):
            raise EvaluationError(f"{_kind(value)} cannot be compared like this")
    return bool(left == right)


def _ordered(holds: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """Compare by the first entries that differ, as Python does, of tuples within tuples too."""
    left, right = _listed(left), _listed(right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        for a, b in zip(left, right, strict=False):
            if not _equal(a, b):
                return _ordered(holds, a, b)
        return holds(len(left), len(right))
    return bool(holds(left, right))


def _contains(box: Any, item: Any) -> bool:
    if isinstance(box, TreeView):
        return any(_equal(key, item) for key in box)
    box = _operand(box)
    if isinstance(box, np.ndarray):
        _check_fit(box, item)
        return bool(_guarded(lambda: (box == item).any()))
    if isinstance(box, tuple):
        return any(_equal(entry, item) for entry in box)
    return bool(_guarded(lambda: item in box))


def _same(left: Any, right: Any) -> bool:
    """`is`, for what has an identity here: None, True, False and tensors."""
    if isinstance(left, TensorView) and isinstance(right, TensorView):
        return left.state.id == right.state.id
    constants = (None, True, False)
    return any(left is c and right is c for c in constants)


def _conditional(node: ast.IfExp, scope: Mapping[str, Any]) -> Any:
    chosen = node.body if truth(_evaluate(node.test, scope)) else node.orelse
    return _evaluate(chosen, scope)


def _call(node: ast.Call, scope: Mapping[str, Any]) -> Any:
    if isinstance(node.func, ast.Attribute):
        value = _evaluate(node.func.value, scope)
        return _method(value, node.func.attr, [_evaluate(arg, scope) for arg in node.args])
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        name = ast.unparse(node.func)
        raise EvaluationError(f"{_short(name)}() is not known here{near(name, FUNCTIONS)}")
    args = [_evaluate(arg, scope) for arg in node.args]
    if not args and node.func.id in ("has_nan", "has_inf"):
        args = [scope[NEW]]
    name = node.func.id
    return _guarded(lambda: _plain(FUNCTIONS[name](*args)))


def _method(value: Any, name: str, args: list[Any]) -> Any:
    """``x.size(1)``, ``x.dim()``, ``x.max()``: what one would type with the tensor at hand."""
    if isinstance(value, TreeView) and name in ("keys", "values") and not args:
        named = value.value.items
        return tuple(k for k, _ in named) if name == "keys" else tuple(map(value.item, dict(named)))
    renamed = {"size": "shape", "dim": "ndim"}.get(name, name)
    found = attribute(value, renamed)
    if name == "size" and len(args) == 1 and isinstance(found, tuple):
        return _guarded(lambda: found[args[0]])
    if args:
        raise EvaluationError(f"{name}() takes no arguments here")
    return found


def _guarded(compute: Callable[[], Any]) -> Any:
    """Return what `compute` gives, its failures as an `EvaluationError`."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy, on empty arrays and the like
            return compute()
    except TracerError:
        raise
    except FAILURES as error:
        raise EvaluationError(f"{type(error).__name__}: {error}") from None


FAILURES = (
    *(TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(MemoryError, RecursionError),
)
"""What Python and numpy raise for values that they cannot compute with."""


def _plain(value: Any) -> Any:
    """Return a numpy scalar as Python's; refuse complex numbers and arrays of objects."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        raise EvaluationError("the result does not fit the array's type")
    if isinstance(value, complex) and not isinstance(value, np.generic):
        raise EvaluationError("the result is a complex number")
    return value.item() if isinstance(value, np.generic) else value


def truth(value: Any) -> bool:
    """Whether a value counts as true.

    Raises:
        EvaluationError: it is a tensor or an array of more than one value.
    """
    if isinstance(value, TensorView):
        value = value.attribute("data")
    if isinstance(value, np.ndarray) and value.size != 1:
        raise EvaluationError(
            "an array of several values is neither true nor false; use any or all"
        )
    return bool(_guarded(lambda: bool(value)))


def _kind(value: Any) -> str:
    if isinstance(value, TensorView):
        return "a recorded tensor"
    if isinstance(value, TreeView):
        return f"a recorded {value.value.type}"
    return (
        "an array" if isinstance(value, np.ndarray) else f"a value of type {type(value).__name__}"
    )


EVALUATORS: dict[type[ast.AST], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Call: _call,
}

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

# --- functions ------------------------------------------------------------------------------------


def _counted(value: Any, name: str, test: Callable[[float], bool]) -> bool:
    """Whether a number, an array or any tensor in a value is NaN (or infinite) somewhere."""
    if isinstance(value, float):
        return test(value)
    if isinstance(value, np.ndarray):
        return bool((np.isnan if name == "nan" else np.isinf)(value).any())
    return any(getattr(t.state.summary, name) for t in tensors_of(value))


def has_nan(value: Any) -> bool:
    """Whether any tensor in it holds a NaN."""
    return _counted(value, "nan", math.isnan)


def has_inf(value: Any) -> bool:
    """Whether any tensor in it holds an infinite value."""
    return _counted(value, "inf", math.isinf)


def overwritten(value: Any) -> bool:
    """Whether what any tensor in it holds was written in place over earlier values."""
    return any(t.state.previous is not None for t in tensors_of(value))


def _reduced(array: np.ndarray, name: str) -> Any:
    return _guarded(lambda: _plain(REDUCTIONS[name](array)))


def _of_array(name: str) -> Callable[..., Any]:
    """Return a function for tensors, arrays and (as Python's own) several numbers."""
    several: dict[str, Callable[[list[Any]], Any]] = {"min": _least, "max": _most, "sum": _sum}

    def function(first: Any, *others: Any) -> Any:
        if not others and isinstance(first, TensorView):
            known = name in ("min", "max", "mean", "std")
            return first.attribute(name) if known else _reduced(first.attribute("data"), name)
        if not others and isinstance(first, np.ndarray):
            return _reduced(first, name)
        if name not in several or (others and name == "sum"):
            raise EvaluationError(f"{name}() cannot take these values")
        return several[name]([first, *others] if others else list(iter(first)))

    return function


def _least(values: list[Any]) -> Any:
    return _guarded(lambda: reduce(lambda a, b: b if _ordered(operator.lt, b, a) else a, values))


def _most(values: list[Any]) -> Any:
    return _guarded(lambda: reduce(lambda a, b: b if _ordered(operator.gt, b, a) else a, values))


def _sum(values: list[Any]) -> Any:
    """Return the sum from left to right: what Python adds in a better way differs by version."""
    if not all(isinstance(value, (int, float)) for value in values):
        raise EvaluationError("sum() takes numbers")
    return reduce(operator.add, values, 0)


def _logical(name: str) -> Callable[[Any], bool]:
    """Return `any` or `all` over an array or a tuple."""

    def function(value: Any) -> bool:
        value = _operand(value)
        if isinstance(value, np.ndarray):
            return bool(getattr(np, name)(value))
        return (any if name == "any" else all)(truth(item) for item in value)

    return function


def _size(value: Any) -> int:
    """Return `len`, of a tensor its first axis."""
    if isinstance(value, TensorView):
        return value.state.summary.shape[0]
    return len(value)


def _round(value: Any, *digits: int) -> Any:
    if digits and not -20 <= digits[0] <= 20:
        raise EvaluationError("round() takes between -20 and 20 digits")
    value = _operand(value)
    if isinstance(value, np.ndarray):
        return np.round(value, digits[0] if digits else 0)
    return round(value, *digits)


REDUCTIONS: dict[str, Callable[[np.ndarray], Any]] = {
    name: getattr(np, name) for name in ("min", "max", "mean", "std", "sum")
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "has_nan": has_nan,
    "isnan": has_nan,
    "has_inf": has_inf,
    "isinf": has_inf,
    "overwritten": overwritten,
    "len": _size,
    "abs": lambda value: abs(_operand(value)),
    "round": _round,
    "any": _logical("any"),
    "all": _logical("all"),
    **{name: _of_array(name) for name in ("min", "max", "mean", "std", "sum")},
}
"""What an expression may call."""
