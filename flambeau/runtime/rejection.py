"""Distributions that draw until a number is accepted: one element at a time, hence plain Python
floats.

Each function takes the sources it draws from. The order of draws is PyTorch's. Where `single` is
set, arguments are float32 numbers and what PyTorch computes from them in float32 is rounded so;
everything else is double.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Source = Callable[[], float]

# log(k!) less Stirling's formula for it, for k = 0 … 9.
_STIRLING_TAIL = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def poisson(rate: float, uniform: Source) -> int:
    """A Poisson number.

    From a rate of 10 on by transformed rejection: W. Hörmann, "The transformed rejection method for
    generating Poisson random variables" (1993), PTRS; below by multiplying uniforms until they fall
    under ``exp(-rate)``.
    """
    if rate >= 10:
        return _ptrs(rate, uniform)
    if rate == 0:
        return 0
    limit = math.exp(-rate)
    count, product = 0, uniform()
    while product > limit:
        count += 1
        product *= uniform()
    return count


def _ptrs(rate: float, uniform: Source) -> int:
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2)
    log_rate = math.log(rate)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0:  # u = -1/2: the quotient below is infinite, and so rejected
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        ratio = _log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if ratio <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def gamma(alpha: float, uniform: Source, normal: Source, single: bool) -> float:
    """A gamma number of shape `alpha` and rate 1.

    G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables" (2000), with
    alpha raised by one and the result scaled by ``uniform ** (1 / alpha)`` where alpha < 1.
    """
    third = float(np.float32(1) / np.float32(3))
    scale = 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale = _power(1 - uniform(), _round(1 / alpha, single))
        alpha = _round(alpha + 1, single)
    d = _round(alpha - third, single)
    c = 1 / math.sqrt(9 * d) if d > 0 else math.nan
    while True:
        x = normal()
        y = 1 + c * x
        while y <= 0:
            x = normal()
            y = 1 + c * x
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1 - float(np.float32(0.0331)) * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


def binomial(count: float, prob: float, uniform: Source, single: bool) -> float:
    """The number of successes in `count` trials; NaN where the arguments are.

    Where the smaller of successes and failures is expected 10 times or more by transformed
    rejection: W. Hörmann, "The generation of binomial random variates" (1993), BTRS; else by adding
    up geometric waiting times.
    """
    if math.isnan(count) or math.isnan(prob):
        return math.nan
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if prob > 0.5:
        return count - _binomial_half(count, _round(1 - prob, single), uniform, single)
    return _binomial_half(count, prob, uniform, single)


def _binomial_half(count: float, prob: float, uniform: Source, single: bool) -> float:
    if _round(count * prob, single) >= 10:
        return _btrs(count, prob, uniform, single)
    log_failure = _round(math.log1p(-prob), single)
    successes, waited = 0, 0.0
    while True:
        quotient = _log(uniform()) / log_failure
        waited += math.ceil(quotient) if quotient < math.inf else math.inf
        if waited > count:
            return float(successes)
        successes += 1


def _btrs(count: float, prob: float, uniform: Source, single: bool) -> float:
    failure = _round(1 - prob, single)
    expected = _round(count * prob, single)
    deviation = _round(math.sqrt(_round(expected * failure, single)), single)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    center = expected + 0.5
    squeeze = 0.92 - 4.2 / b
    odds = _round(prob / failure, single)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = float(math.floor(_round((count + 1) * prob, single)))
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = float(math.floor((2 * a / us + b) * u + center))
        if k < 0 or k > count:
            continue
        if us >= 0.07 and v <= squeeze:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _stirling_tail(k: float) -> float:
    if k < len(_STIRLING_TAIL):
        return _STIRLING_TAIL[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _round(value: float, single: bool) -> float:
    return float(np.float32(value)) if single else value


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
