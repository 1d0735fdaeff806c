"""Puts hostile values in the places of a program's arguments."""

from __future__ import annotations

import ast
import random
from typing import Any

from . import values
from .programs import Program

ENDURING = ("max_iter", "max_eval")
"""How long a call takes is what these say: one with 2**40 is no call that hangs."""

LAYERS = {"Transformer": (2, 3), "TransformerEncoder": (1,), "TransformerDecoder": (1,)}
"""Neither is a network of a thousand layers."""

UNTOUCHED = ("__import__", "reduce", "range")
"""Calls of the values themselves: how deep a list is nested."""

Place = tuple[Any, str, int | None]
"""A node, its field, and the position in the field's list: where an expression stands."""


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _places(tree: ast.AST) -> list[Place]:
    """Where arguments stand: of calls, in lists and tuples, as indices, on the right of `=`."""
    found: list[Place] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node) not in UNTOUCHED:
            layers = LAYERS.get(_name(node), ())
            found += [(node, "args", i) for i in range(len(node.args)) if i not in layers]
            found += [(k, "value", None) for k in node.keywords if k.arg not in ENDURING]
        elif isinstance(node, (ast.List, ast.Tuple)):
            found += [(node, "elts", i) for i in range(len(node.elts))]
        elif isinstance(node, ast.Subscript):
            found.append((node, "slice", None))
        elif isinstance(node, ast.Slice):
            found += [(node, part, None) for part in ("lower", "upper", "step")]
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            found.append((node, "value", None))
        elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name):
            found.append((node, "right", None))  # never two numbers: Python itself would count
    return found


def _get(place: Place) -> Any:
    node, field, i = place
    return getattr(node, field) if i is None else getattr(node, field)[i]


def _set(place: Place, value: Any) -> None:
    node, field, i = place
    if i is None:
        setattr(node, field, value)
    else:
        getattr(node, field)[i] = value


def _hostile(rng: random.Random, old: Any, names: tuple[str, ...]) -> str:
    """A value for an expression: often of its kind, else anything."""
    if rng.random() < 0.25:
        return rng.choice(values.OTHERS)
    if isinstance(old, ast.Name) and old.id in names:
        return values.tensor(rng, old.id)
    if isinstance(old, (ast.Tuple, ast.List)):
        return values.numbers(rng) if rng.random() < 0.8 else values.number(rng)
    if rng.random() < 0.15:
        return rng.choice(names) if names else values.tensor(rng, None)
    if rng.random() < 0.2:
        return values.numbers(rng)
    return values.number(rng)


def _change_call(rng: random.Random, tree: ast.Module, names: tuple[str, ...]) -> None:
    roll = rng.random()
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node) not in UNTOUCHED
    ]  # fmt: skip
    if roll < 0.08 and calls:
        name, value = values.keyword(rng)
        call = rng.choice(calls)
        if all(k.arg != name for k in call.keywords):
            call.keywords.append(ast.keyword(name, ast.parse(value, mode="eval").body))
            return
    if roll < 0.12 and calls:
        rng.choice(calls).args.append(ast.parse(_hostile(rng, None, names), mode="eval").body)
        return
    if roll < 0.16 and calls:
        args = rng.choice(calls).args
        if args:
            del args[rng.randrange(len(args))]
            return
    places = [p for p in _places(tree) if not isinstance(_get(p), ast.Slice)]
    if places:
        place = rng.choice(places)
        source = _hostile(rng, _get(place), names)
        _set(place, ast.parse(source, mode="eval").body)


def mutate(rng: random.Random, program: Program) -> Program:
    """The program with one to three of its arguments changed; rarely with none."""
    inputs, names = list(program.inputs), tuple(name for name, _ in program.inputs)
    tree = ast.parse(program.call)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3))):
        if inputs and rng.random() < 0.35:
            i = rng.randrange(len(inputs))
            name, source = inputs[i]
            inputs[i] = (name, values.tensor(rng, source))
        else:
            _change_call(rng, tree, names)
    call = "; ".join(map(ast.unparse, ast.fix_missing_locations(tree).body))
    return Program(program.name, tuple(inputs), call)
