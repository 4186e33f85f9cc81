# ruff: noqa: E501 - programs on one line
"""Operators and edits of them that make another operator of each."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """Files of an operator, and an edit: ``(file, old, new)``."""

    files: dict[str, str]
    edit: tuple[str, str, str]


def one(text, old, new):
    return Case({"m.py": text}, ("m.py", old, new))


#: What changes results, whatever it is that refers to it.
OTHERS = {
    "a constant in the code": one("def op(x): return x * 2", "2", "3"),
    "an operation": one("def op(x): return x * 2", "*", "+"),
    "a name": one("import numpy as np\ndef op(x): return np.sqrt(x)", "sqrt", "cbrt"),
    "an attribute": one("def op(x): return x.min()", "min", "max"),
    "an inner function": one("def op(x):\n  def g(y): return y + 1\n  return g(x)", "+ 1", "- 1"),
    "a comprehension": one("def op(x): return [y * 2 for y in x]", "2", "3"),
    "a set in the code": one("def op(x): return x in {1, 2, 3}", "{1, 2, 3}", "{1, 2, 4}"),
    "-0.0": one("def op(x): return x * 0.0", "0.0", "-0.0"),
    "what is caught": one("def op(x):\n  try: x()\n  except OSError: return 1", "OSError", "ValueError"),
    "where is caught": one(
        "def op(x):\n  x()\n  try: x()\n  except OSError: pass", "x()\n  try: x()", "try: x();x()\n"
    ),
    "a default": one("def op(x, k=2): return x * k", "=2", "=3"),
    "a keyword's default": one("def op(x, *, k=2): return x * k", "=2", "=3"),
    "a global number": one("K = 2\ndef op(x): return x * K", "K = 2", "K = 3"),
    "a global text": one("K = 'a'\ndef op(x): return K", "'a'", "'b'"),
    "a global of another type": one("K = 2\ndef op(x): return x // K", "K = 2", "K = 2.0"),
    "a global in an inner function": one(
        "K = 2\ndef op(x): return list(map(lambda y: y * K, x))", "K = 2", "K = 3"
    ),
    "a global list": one("K = [1, [2]]\ndef op(x): return x * K[0]", "[2]", "[3]"),
    "the order of a dict": one(
        "K = {'r': 1, 'g': 2}\ndef op(x): return list(K)", "{'r': 1, 'g': 2}", "{'g': 2, 'r': 1}"
    ),
    "a global array": one(
        "import numpy as np\nK = np.arange(9.0)\ndef op(x): return x * K", "9.0", "9.0)[::-1].copy("
    ),
    "one cell of a large array": one(
        "import numpy as np\nK = np.zeros((3000, 3000), 'float32')\nK[5, 7] = 1\ndef op(x): return x * K",
        "= 1",
        "= 2",
    ),
    "an array of objects": one(
        "import numpy as np\nK = np.array([1, 'a'], object)\ndef op(x): return K", "'a'", "'b'"
    ),
    "the mask of an array": one(
        "import numpy as np\nK = np.ma.array([1, 2], mask=[0, 1])\ndef op(x): return K", "[0, 1]", "[1, 0]"
    ),
    "a dtype": one("import numpy as np\nK = np.dtype('u1')\ndef op(x): return x.astype(K)", "u1", "i1"),
    "a pattern": one("import re\nK = re.compile('a')\ndef op(x): return K.match(x)", "'a'", "'b'"),
    "a variable of the function around": one(
        "def make(k): return lambda x: x * k\nop = make(2)", "(2)", "(3)"
    ),
    "a variable in a variable": one(
        "def make(k):\n  g = lambda y: y * k\n  return lambda x: g(x)\nop = make(2)", "(2)", "(3)"
    ),
    "a helper function": one("def g(y): return y + 1\ndef op(x): return g(x)", "+ 1", "+ 2"),
    "a helper of a helper": one(
        "def h(y): return y + 1\ndef g(y): return h(y)\ndef op(x): return g(x)", "+ 1", "+ 2"
    ),
    "a helper that calls back": one("def g(y): return op(y) + 1\ndef op(x): return x and g(x)", "+ 1", "+ 2"),
    "functions in a dict": one("K = {'a': lambda y: y + 1}\ndef op(x): return K['a'](x)", "+ 1", "+ 2"),
    "an attribute of a function": one("def op(x): return x * op.k\nop.k = 2", "= 2", "= 3"),
    "what eval may see": one("K = 2\ndef op(x): return eval('x * K')", "K = 2", "K = 3"),
    "what globals() may see": one("K = 2\ndef op(x): return x * globals()['K']", "K = 2", "K = 3"),
    "partial: an argument": one(
        "import functools\ndef f(k, x): return x * k\nop = functools.partial(f, 2)", "f, 2", "f, 3"
    ),
    "partial: a keyword": one(
        "import functools\ndef f(x, k): return x * k\nop = functools.partial(f, k=2)", "k=2", "k=3"
    ),
    "partial: its function": one(
        "import functools\ndef f(x, k): return x * k\nop = functools.partial(f, k=2)", "*", "+"
    ),
    "partial: an object": one(
        "import functools\nclass K:\n  def __init__(s, n): s.n = n\n"
        "def f(x, k): return x * k.n\nop = functools.partial(f, k=K(2))",
        "K(2)",
        "K(3)",
    ),
    "partial: the class of an object": one(
        "import functools\nclass K:\n  def g(s, x): return x + 1\n"
        "def f(x, k): return k.g(x)\nop = functools.partial(f, k=K())",
        "+ 1",
        "+ 2",
    ),
    "an object's state": one(
        "class A:\n  def __init__(s, k): s.k = k\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "A(2)",
        "A(3)",
    ),
    "an object's code": one("class A:\n  def __call__(s, x): return x * 2\nop = A()", "2", "3"),
    "a class's attribute": one(
        "class A:\n  K = 2\n  def __call__(s, x): return x * s.K\nop = A()", "K = 2", "K = 3"
    ),
    "a class's other method": one(
        "class A:\n  def g(s, x): return x * 2\n  def __call__(s, x): return s.g(x)\nop = A()", "2", "3"
    ),
    "a property": one(
        "class A:\n  @property\n  def k(s): return 2\n  def __call__(s, x): return x * s.k\nop = A()",
        "2",
        "3",
    ),
    "a static method": one(
        "class A:\n  @staticmethod\n  def g(x): return x * 2\n  def __call__(s, x): return s.g(x)\nop = A()",
        "2",
        "3",
    ),
    "a class method": one(
        "class A:\n  @classmethod\n  def g(c, x): return x * 2\n  def __call__(s, x): return s.g(x)\nop = A()",
        "2",
        "3",
    ),
    "a cached property": one(
        "import functools\nclass A:\n  @functools.cached_property\n  def k(s): return 2\n  def __call__(s, x): return x * s.k\nop = A()",
        "return 2",
        "return 3",
    ),
    "a base class": one(
        "class B:\n  def g(s, x): return x * 2\nclass A(B):\n  def __call__(s, x): return s.g(x)\nop = A()",
        "2",
        "3",
    ),
    "what super() finds": one(
        "class B:\n  def f(s, x): return x * 2\nclass A(B):\n  def f(s, x): return super().f(x)\nop = A().f",
        "2",
        "3",
    ),
    "slots": one(
        "class A:\n  __slots__ = ('k',)\n  def __init__(s, k): s.k = k\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "A(2)",
        "A(3)",
    ),
    "a bound method's object": one(
        "class A:\n  def __init__(s, k): s.k = k\n  def f(s, x): return x * s.k\nop = A(2).f", "A(2)", "A(3)"
    ),
    "a bound method's code": one("class A:\n  def f(s, x): return x * 2\nop = A().f", "2", "3"),
    "which bound method": one(
        "class A:\n  def f(s, x): return x\n  def g(s, x): return -x\nop = A().f", "A().f", "A().g"
    ),
    "which of two that call each other": one(
        "def f(x): return x and g(x)\ndef g(x): return f(x) + 1\nop = f", "op = f", "op = g"
    ),
    "a bound method of an array": one("import numpy as np\nop = np.arange(3.0).dot", "3.0", "4.0"),
    "a class as operator": one("class op:\n  def __new__(c, x): return x * 2", "2", "3"),
    "an object in an object": one(
        "class K:\n  def __init__(s, n): s.n = n\nclass A:\n  def __init__(s): s.k = [K(2)]\n  def __call__(s, x): return x * s.k[0].n\nop = A()",
        "K(2)",
        "K(3)",
    ),
    "an object that holds itself": one(
        "class A:\n  def __init__(s, k): s.me, s.k = s, k\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "A(2)",
        "A(3)",
    ),
    "a subclass of list": one("class L(list): pass\nK = L([1, 2])\ndef op(x): return K", "[1, 2]", "[1, 3]"),
    "a dataclass": one(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n  k: float\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "A(2)",
        "A(3)",
    ),
    "a dataclass's code": one(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n  k: float\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "*",
        "+",
    ),
    "a field that is not compared": one(
        "from dataclasses import dataclass, field\nimport numpy as np\n@dataclass(eq=False)\nclass A:\n"
        "  w: np.ndarray = field(compare=False)\n  def __call__(s, x): return x * s.w\nop = A(np.ones(3))",
        "np.ones(3)",
        "np.zeros(3)",
    ),
    "an enum": one(
        "import enum\nclass E(enum.Enum):\n  A = 2\ndef op(x): return x * E.A.value", "A = 2", "A = 3"
    ),
    "a named tuple": one(
        "from typing import NamedTuple\nclass P(NamedTuple):\n  k: int\nP0 = P(2)\ndef op(x): return x * P0.k",
        "P(2)",
        "P(3)",
    ),
    "get_config and other code": one(
        "class A:\n  def get_config(s): return {'type': 'A'}\n  def __call__(s, x): return x * 2\nop = A()",
        "* 2",
        "* 3",
    ),
    "get_config that leaves something out": one(
        "class A:\n  def __init__(s, k): s.k = k\n  def get_config(s): return {'type': 'A'}\n  def __call__(s, x): return x * s.k\nop = A(2)",
        "A(2)",
        "A(3)",
    ),
    "weights as an attribute": one(
        "import numpy as np\nclass A:\n  def __init__(s): s.w = np.ones((64, 64))\n  def __call__(s, x): return x * s.w\nop = A()\nop.w[3, 3] = 2",
        "= 2",
        "= 3",
    ),
    "tensors": one(
        "import numpy as np\nclass T:\n  dtype = 'float32'\n  def __init__(s, a): s.a = a\n  def detach(s): return s\n  def cpu(s): return s\n"
        "  def float(s): return s\n  def numpy(s): return s.a\n  def __reduce_ex__(s, p): raise TypeError\n"
        "class A:\n  def __init__(s): s.w = T(np.ones(3))\n  def state_dict(s): return {'w': s.w}\n  def __call__(s, x): return x * s.w.a\nop = A()\nop.w.a[1] = 2",
        "= 2",
        "= 3",
    ),
    "a state_dict of what cannot be pickled": one(
        "import numpy as np\nclass A:\n  def __init__(s): s.f, s.w = iter(lambda: 0, 1), np.full(3, 2)\n  def state_dict(s): return {'w': s.w}\n"
        "  def __reduce_ex__(s, p): raise TypeError('no')\n  def __call__(s, x): return x * s.w\nop = A()",
        "np.full(3, 2)",
        "np.full(3, 3)",
    ),
    "what an object says of itself": one(
        "class A:\n  def fingerprint(s): return 'model 2'\n  def __call__(s, x): return x\nop = A()",
        "model 2",
        "model 3",
    ),
    "what an object inside says of itself": one(
        "class M:\n  def fingerprint(s): return 'model 2'\nclass A:\n  m = M()\n  def __call__(s, x): return x\nop = A()",
        "model 2",
        "model 3",
    ),
    "the file of a model": Case(
        {
            "m.py": "class A:\n  path = 'weights.onnx'\n  def __call__(s, x): return x\nop = A()",
            "weights.onnx": "1",
        },
        ("weights.onnx", "1", "2"),
    ),
    "a file of settings": Case(
        {
            "m.py": "import json\ndef op(x): return x * json.load(open('knobs.json'))['k']",
            "knobs.json": '{"k": 1}',
        },
        ("knobs.json", "1", "2"),
    ),
    "weights beside a network": Case(
        {"m.py": "P = 'net.onnx'\ndef op(x): return len(P)", "net.onnx": "1", "net.onnx.data": "1"},
        ("net.onnx.data", "1", "2"),
    ),
    "a generator of random numbers": one(
        "import numpy as np\nR = np.random.default_rng(3)\ndef op(x): return x * R.random()", "(3)", "(4)"
    ),
    "functools.wraps": one(
        "import functools\ndef d(f):\n  @functools.wraps(f)\n  def w(x): return f(x)\n  return w\n@d\ndef op(x): return x * 2",
        "* 2",
        "* 3",
    ),
    "the wrapper of functools.wraps": one(
        "import functools\ndef d(f):\n  @functools.wraps(f)\n  def w(x): return f(x) + 1\n  return w\n@d\ndef op(x): return x * 2",
        "+ 1",
        "+ 2",
    ),
    "lru_cache": one("import functools\n@functools.lru_cache\ndef op(x): return x * 2", "* 2", "* 3"),
    "np.vectorize": one("import numpy as np\nop = np.vectorize(lambda x: x * 2)", "* 2", "* 3"),
    "np.vectorize: otypes": one(
        "import numpy as np\nop = np.vectorize(lambda x: x * 2, otypes='f')", "'f'", "'d'"
    ),
    "masked": one("import geopatcher\n@geopatcher.masked\ndef op(x): return x * 2", "* 2", "* 3"),
    "masked or not": one(
        "import geopatcher\ndef f(x): return x * 2\nop = geopatcher.masked(f)", "geopatcher.masked(f)", "f"
    ),
    "masked: a global": one(
        "import geopatcher\nK = 2\n@geopatcher.masked\ndef op(x): return x * K", "K = 2", "K = 3"
    ),
    "geotoolz.Lambda": one("import geotoolz\nop = geotoolz.Lambda(lambda x: x * 2)", "* 2", "* 3"),
    "geotoolz.Lambda: a global": one(
        "import geotoolz\nK = 2\nop = geotoolz.Lambda(lambda x: x * K)", "K = 2", "K = 3"
    ),
    "geotoolz.Sequential": one(
        "import geotoolz\nop = geotoolz.Sequential([abs, lambda x: x * 2])", "* 2", "* 3"
    ),
    "a geotoolz.Operator": one(
        "import geotoolz\nclass A(geotoolz.Operator):\n  def __call__(s, x): return x * 2\nop = A()",
        "* 2",
        "* 3",
    ),
    "geopatcher.Expression": one(
        "from geopatcher.operators.expression import Expression\nop = Expression('b1 * 2')", "* 2", "* 3"
    ),
    "two functions of numpy": one("import numpy as np\nop = np.sqrt", "sqrt", "cbrt"),
    "two more functions of numpy": one("import numpy as np\nop = np.mean", "mean", "median"),
    "two functions of math": one("import math\nop = math.sqrt", "sqrt", "cbrt"),
    "another module: from": Case(
        {"m.py": "from helpers import g\ndef op(x): return g(x)", "helpers.py": "def g(y): return y + 1"},
        ("helpers.py", "+ 1", "+ 2"),
    ),
    "another module: attribute": Case(
        {"m.py": "import helpers\ndef op(x): return helpers.g(x)", "helpers.py": "def g(y): return y + 1"},
        ("helpers.py", "+ 1", "+ 2"),
    ),
    "another module: its constant": Case(
        {"m.py": "import helpers\ndef op(x): return x * helpers.K", "helpers.py": "K = 2"},
        ("helpers.py", "2", "3"),
    ),
    "another module: what its function needs": Case(
        {
            "m.py": "import helpers\ndef op(x): return helpers.g(x)",
            "helpers.py": "K = 2\ndef g(y): return y + K",
        },
        ("helpers.py", "2", "3"),
    ),
    "another module: by another name": Case(
        {"m.py": "import helpers\ndef op(x):\n  h = helpers\n  return x * h.K", "helpers.py": "K = 2"},
        ("helpers.py", "2", "3"),
    ),
    "a package": Case(
        {
            "m.py": "import pack.tools\ndef op(x): return pack.tools.g(x)",
            "pack/__init__.py": "",
            "pack/tools.py": "from pack.deep import h\ndef g(y): return h(y)",
            "pack/deep.py": "def h(y): return y + 1",
        },
        ("pack/deep.py", "+ 1", "+ 2"),
    ),
    "an import when it runs: from": Case(
        {
            "m.py": "def op(x):\n  from helpers import g\n  return g(x)",
            "helpers.py": "K = 2\ndef g(y): return y + K",
        },
        ("helpers.py", "2", "3"),
    ),
    "an import when it runs": Case(
        {
            "m.py": "def op(x):\n  import helpers\n  return helpers.g(x)",
            "helpers.py": "def g(y): return y + 2",
        },
        ("helpers.py", "2", "3"),
    ),
    "an import when it runs: a module nobody has imported": Case(
        {
            "m.py": "def op(x):\n  from pack import deep\n  return deep.h(x)",
            "pack/__init__.py": "",
            "pack/deep.py": "def h(y): return y + 2",
        },
        ("pack/deep.py", "2", "3"),
    ),
    "an import when it runs: relative": Case(
        {
            "m.py": "from pack.tools import op",
            "pack/__init__.py": "",
            "pack/tools.py": "def op(x):\n  from . import deep\n  from .deep import h\n  return h(x) + deep.K",
            "pack/deep.py": "K = 2\ndef h(y): return y",
        },
        ("pack/deep.py", "2", "3"),
    ),
    "an import when it runs, not there": Case(
        {
            "m.py": "def op(x):\n  try:\n    import faster as h\n  except ImportError: return x\n  return h.g(x)",
            "other.py": "",
        },
        ("other.py", "", ""),
    ),
}

#: Not edits of a file, but files that come.
ADDED = {"an import when it runs, not there": ("faster.py", "def g(x): return x * 2")}
