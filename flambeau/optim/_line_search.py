"""A line search that satisfies the strong Wolfe conditions.

Nocedal and Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6, with the cubic
interpolation of equation 3.59 and the safeguards of Schmidt's minFunc.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau import Tensor


class Point:
    """A place on the line: its step length, the loss and flat gradient there, and the slope."""

    __slots__ = ("grad", "loss", "slope", "t")

    def __init__(self, t: float, loss: float, grad: Tensor, slope: float) -> None:
        self.t = t
        self.loss = loss
        self.grad = grad
        self.slope = slope


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    reach: float,
    *,
    tolerance_change: float,
    max_iterations: int,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """Find a step length that lowers the loss enough (by `c1` of what the slope promises) and
    flattens the slope enough (to `c2` of the first one).

    Args:
        evaluate: the point at a given step length.
        start: the point at step length 0.
        t: the first length to try.
        reach: the largest magnitude in the direction, so that `t * reach` is the largest change.
        tolerance_change: stop where the bracket is smaller than this change.

    Returns the point, and the number of evaluations.
    """

    def too_high(point: Point) -> bool:
        return point.loss > start.loss + c1 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    previous, current = start, evaluate(t)
    evaluations = 1
    for iteration in range(max_iterations):
        if too_high(current) or (iteration > 1 and current.loss >= previous.loss):
            break
        if flat(current):
            return current, evaluations
        if current.slope >= 0:
            break
        t = _cubic_minimum(
            previous, current, current.t + 0.01 * (current.t - previous.t), current.t * 10
        )
        previous, current = current, evaluate(t)
        evaluations += 1
    else:
        return min(start, current, key=lambda point: point.loss), evaluations

    low, high = (previous, current) if previous.loss <= current.loss else (current, previous)
    stalled = False
    while iteration < max_iterations and abs(high.t - low.t) * reach >= tolerance_change:
        t, stalled = _inside(low, high, stalled)
        current = evaluate(t)
        evaluations += 1
        iteration += 1
        if too_high(current) or current.loss >= low.loss:
            low, high = (current, low) if current.loss < low.loss else (low, current)
            continue
        if flat(current):
            return current, evaluations
        if current.slope * (high.t - low.t) >= 0:
            high = low
        low = current
    return low, evaluations


def _inside(low: Point, high: Point, stalled: bool) -> tuple[float, bool]:
    """The next length to try between two points, kept off their ends where that has brought
    little before; and whether this one is close to an end."""
    left, right = sorted((low.t, high.t))
    t = _cubic_minimum(low, high, left, right)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if stalled or t >= right or t <= left:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True


def _cubic_minimum(a: Point, b: Point, lower: float, upper: float) -> float:
    """Where the cubic through two points with their slopes is smallest, within bounds; their
    middle where it has no minimum."""
    if a.t > b.t:
        a, b = b, a
    middle = (lower + upper) / 2.0
    if a.t == b.t:
        return middle
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:  # NaN too
        return middle
    d2 = math.sqrt(square)
    bend = b.slope - a.slope + 2 * d2
    if bend == 0:
        return middle
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bend)
    return min(max(t, lower), upper)
