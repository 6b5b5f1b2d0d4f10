"""Functions whose lines the interpreters report differently: one for each hard case.

Not formatted: the layout is the case.
"""
# ruff: noqa
# mypy: ignore-errors
# fmt: off

import copy

from torch import nn

class Iter:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if self.n == 0: raise StopIteration
        self.n -= 1
        return self.n
class Ctx:
    def __init__(self, eat=False): self.eat = eat
    def __enter__(self): return self
    def __exit__(self, *a): return self.eat
def boom(): raise ValueError("boom")
def ident(x): return x
def comp(xs):
    k = 2
    a = [v * k for v in xs]
    b = {
        v: [w
            for w in range(v)]
        for v in xs
        if v
    }
    v = 1
    return a, b
def oneline(xs):
    t = 0
    for x in xs: t += x
    while t > 0: t -= 1
    return t
def loops(xs):
    t = 0
    for x in xs:
        t += x
    else:
        t += 1
    while t > 3:
        t -= 1
    return t
def forever():
    it = iter([1, 2, 3])
    try:
        while True:
            x = next(it)
    except StopIteration:
        return x
def forever2():
    n = 0
    while True:
        n += 1
        if n > 2:
            break
    return n
def forever3(n):
    while 1:
        n += 1
        if n == 2:
            continue
        elif n > 9:
            pass
        else:
            ident(n)
        if n > 5:
            return n
def multiline(x):
    y = ident(
        ident(
            x,
        )
    )
    z = max(x,
            ident(x),
            key=lambda q: -q)
    return (
        y +
        z
    )
def chain(x):
    s = ("a"
         .upper()
         .replace("a", "b")
         .split(sep=","))
    return s
def withs(x):
    with Ctx() as a, Ctx() as b:
        x += 1
    with (
        Ctx() as a,
        Ctx() as b,
    ):
        x += 1
    return x
def with_return(x):
    with Ctx():
        return ident(x)
def with_loop():
    for i in range(2):
        with Ctx():
            ident(i)
def with_loop2():
    for i in range(3):
        with Ctx():
            if i == 1:
                continue
            if i == 2:
                break
            ident(i)
def with_loop3():
    i = 0
    while i < 2:
        with Ctx():
            i += 1
    while True:
        with Ctx():
            i += 1
            if i > 4:
                break
def with_eats():
    with Ctx(True):
        boom()
    return 1
def with_raise():
    with Ctx():
        boom()
def fin_return(x):
    try:
        return ident(x)
    finally:
        ident(1)
def fin_normal(x):
    try:
        ident(x)
    finally:
        ident(1)
    return x
def fin_raise():
    try:
        boom()
    finally:
        ident(1)
def fin_nested():
    for i in range(2):
        try:
            continue
        finally:
            ident(i)
def fin_nested2():
    while True:
        try:
            break
        finally:
            ident(1)
def fin_catch():
    try:
        boom()
    finally:
        try:
            {}["x"]
        except KeyError:
            pass
def exc_as():
    try:
        boom()
    except ValueError as e:
        ident(e)
    return 1
def exc_else(x):
    try:
        ident(x)
    except ValueError:
        return 0
    else:
        x += 1
    finally:
        x += 2
    return x
def exc_bare():
    try:
        boom()
    except ValueError:
        raise
def exc_bare_nested():
    try:
        boom()
    except ValueError:
        try:
            {}["x"]
        except KeyError:
            pass
        raise
def exc_nomatch():
    try:
        boom()
    except KeyError:
        return 1
def exc_other():
    try:
        boom()
    except ValueError as e:
        raise KeyError("k") from e
def exc_nested_nomatch():
    try:
        boom()
    except ValueError as e:
        try:
            {}["x"]
        except TypeError:
            pass
def caught():
    try:
        boom()
    except ValueError:
        return None
def caught2():
    try:
        boom()
    except (
        KeyError,
        ValueError,
    ):
        pass
def matches(x):
    match x:
        case 1:
            y = 1
        case [a, b] if a > b:
            y = a
        case {"k": v}:
            y = v
        case _:
            y = 0
    return y
def deco(x):
    @ident
    @ident
    def inner(y,
              z=1):
        return y + z
    class C:
        a = 1
        def f(self): return 1
    return inner(x) + C().f()
def gens(xs):
    s = sum(x * x for x in xs)
    t = sum(
        x
        for x in xs
    )
    for i in Iter(2):
        s += i
    a, *b = xs
    return any(x > 1 for x in xs)
def lam(xs):
    f = lambda x: (
        ident(x),
        2)
    return sorted(xs, key=lambda x: -x), f(1)
def conds(x):
    y: int
    z: int = 2
    "docless"
    ...
    if x and (
        z
    ):
        pass
    elif x:
        y = 1
    else:
        y = 2
    a = 1 if x else 2
    assert x, (
        "m")
    if x: y = 3
    q = x or (
        ident(x)
        and ident(z))
    del z; z = 1; y = 2
    b, a, y = 1, 2, 3
    if (w := x) and not y:
        y = 3
    return
def retnone():
    return None
def empty():
    pass
def doc():
    """Doc."""
def tail(x):
    if x:
        for i in range(2):
            if i:
                y = 1
def nested_tail(x):
    try:
        if x:
            y = 1
    finally:
        if not x:
            y = 2
def imports():
    import os
    from os import (
        path,
        sep,
    )
    global G
    G = 1
    return [
        1,
        sep
    ]
def fstr(x):
    return f"{ident(x)} " \
        f"{x}"
def unpack(x):
    d = dict(
        a=1,
        **{
            "b": ident(2)},
    )
    d["a"], d["c"] = (
        ident(1),
        ident(2),
    )
    d[
        "a"
    ] += ident(
        3)
    raise KeyError(
        ident("x"),
    )
def del_k(k):
    try:
        k.missing
    except AttributeError as e: pass
    while k: k -= 1
    else: k = 5
    while (
        k > 3
        and k
    ):
        k -= 1
    return k
def zw(x):
    while x > 0:
        x -= 1
        try:
            if x == 2:
                continue
        except KeyError:
            pass
    return x
def async_free(xs):
    for a, (b, c) in [(1, (2, 3))]:
        for d in (
            a,
            b):
            pass
    return (yy for yy in xs)
def cellcomp(xs):
    k, j = 1, 2
    r = [[k + v for v in xs] for _ in (j,)]
    w, v = 3, 4
    return r
CALLS = [(comp, [1, 2]), (oneline, [1, 2]), (loops, [1, 2, 3]), (forever,), (forever2,), (forever3, 0), (multiline, 1), (chain, 1), (withs, 1),
 (with_return, 1), (with_loop,), (with_loop2,), (with_loop3,), (with_eats,), (with_raise,), (fin_return, 1), (fin_normal, 1), (fin_raise,), (fin_nested,), (fin_nested2,),
 (fin_catch,), (exc_as,), (exc_else, 1), (exc_bare,), (exc_bare_nested,), (exc_nomatch,), (exc_other,), (exc_nested_nomatch,), (caught,), (caught2,), (matches, 1), (matches, [2, 1]), (matches, {"k": 1}), (matches, 5),
 (deco, 1), (gens, [1, 2]), (lam, [1, 2]), (conds, 1), (conds, 0), (retnone,), (empty,), (doc,), (tail, 1), (tail, 0), (nested_tail, 1), (nested_tail, 0), (imports,), (fstr, 1), (unpack, 1), (del_k, 3), (zw, 4), (async_free, [1]), (cellcomp, [1, 2])]


class Cases(nn.Module):
    """Runs every case; what one raises ends there."""

    def forward(self):
        for case, *args in CALLS:
            try:
                case(*copy.deepcopy(args))
            except Exception:
                pass
