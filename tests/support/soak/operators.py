"""Operators that differ in where their number is: `FACTOR` of each is edited between runs."""

from __future__ import annotations

#: What every module of an operator begins with.
HEAD = "import numpy as np\nfrom soak.interference import interfere\n\n"

#: Modules by kind. All operators compute ``x * factor + 1``.
KINDS = {
    "a constant of the code": """
def operator(x):
    interfere()
    return x * {factor} + 1
""",
    "a default": """
def operator(x, factor={factor}):
    interfere()
    return x * factor + 1
""",
    "a constant of the module": """
FACTOR = {factor}

def operator(x):
    interfere()
    return x * FACTOR + 1
""",
    "a helper": """
def _times(x):
    return x * {factor}

def operator(x):
    interfere()
    return _times(x) + 1
""",
    "a closure": """
def make(factor):
    def operator(x):
        interfere()
        return x * factor + 1
    return operator

operator = make({factor})
""",
    "a partial": """
import functools

def scaled(x, factor):
    interfere()
    return x * factor + 1

operator = functools.partial(scaled, factor={factor})
""",
    "state": """
class Model:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        interfere()
        return x * self.factor + 1

operator = Model({factor})
""",
    "a bound method": """
class Model:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, x):
        interfere()
        return x * self.factor + 1

operator = Model({factor}).predict
""",
    "code of a class": """
class Model:
    def __call__(self, x):
        interfere()
        return x * {factor} + 1

operator = Model()
""",
    "weights": """
class Model:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, x):
        interfere()
        return x * self.weights[-1] + self.weights[0]

weights = np.ones(1000, "float32")
weights[-1] = {factor}
operator = Model(weights)
""",
    "a fingerprint": """
class Model:
    def __init__(self, factor):
        self._factor = factor

    def __call__(self, x):
        interfere()
        return x * self._factor + 1

    def fingerprint(self):
        return f"times {{self._factor}}"

operator = Model({factor})
""",
}


def module_of(kind, factor):
    """Return the text of a module whose ``operator`` is of a kind."""
    return HEAD + KINDS[kind].format(factor=factor)


def answer(pixels, factor):
    """Return what an operator makes of pixels."""
    return pixels.astype("float64") * factor + 1
