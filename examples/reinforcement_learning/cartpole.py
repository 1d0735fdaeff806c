"""The pole on a cart (Barto, Sutton and Anderson, 1983), in NumPy.

The state is (position in m, velocity, angle in rad, angular velocity); action 0 pushes left,
1 right, with 10 N. An episode ends when the pole leans by 12 degrees, the cart is 2.4 m off, or
after 500 steps. Each step earns 1.
"""

import math

import numpy as np

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
MAX_ANGLE, MAX_POSITION = 12 * math.pi / 180, 2.4


class CartPole:
    """The interface of gym's environments: reset and step."""

    def __init__(self, max_steps=500):
        self.max_steps = max_steps
        self.chance = np.random.RandomState(0)

    def reset(self, seed=None):
        if seed is not None:
            self.chance = np.random.RandomState(seed)
        self.state = self.chance.uniform(-0.05, 0.05, 4)
        self.steps = 0
        return self.state.astype(np.float32), {}

    def step(self, action):
        x, v, angle, spin = self.state
        force = FORCE if action == 1 else -FORCE
        sin, cos = math.sin(angle), math.cos(angle)
        total = CART + POLE
        push = (force + POLE * HALF_LENGTH * spin * spin * sin) / total
        turn = (GRAVITY * sin - cos * push) / (
            HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / total)
        )
        pull = push - POLE * HALF_LENGTH * turn * cos / total
        self.state = np.array([x + TAU * v, v + TAU * pull, angle + TAU * spin, spin + TAU * turn])
        self.steps += 1
        done = bool(abs(self.state[0]) > MAX_POSITION or abs(self.state[2]) > MAX_ANGLE)
        cut = self.steps >= self.max_steps
        return self.state.astype(np.float32), 1.0, done, cut, {}
