"""`python -m flambeau run SCRIPT`: a PyTorch program as it is."""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any

from .. import config
from . import names

USAGE = "usage: python -m flambeau run SCRIPT [ARGS]   or   run -m MODULE [ARGS]"


def run(arguments: list[str]) -> int:
    """Run a script, or with -m a module, with PyTorch's names resolved to flambeau.

    The program gets what it would get from `python SCRIPT ARGS`: its arguments, its folder as
    `sys.path[0]`, its own `__main__`. What it raises goes through, SystemExit too.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    as_module = arguments[0] == "-m"
    if as_module and len(arguments) < 2:
        print("run -m: which module?", file=sys.stderr)
        return 2
    names.install()
    _keep_importable()
    _shorten_tracebacks()
    sys.argv = arguments[1:] if as_module else arguments
    try:
        if as_module:
            _lead_path(os.getcwd())
            program: Program = Module(arguments[1])
        else:
            program = Script(arguments[0])
            _lead_path(os.path.dirname(os.path.realpath(program.path)))
    except ProgramNotFound as error:
        print(f"python -m flambeau run: {error}", file=sys.stderr)
        return 1 if as_module else 2
    sys.argv[0] = program.shown
    os.environ[config.MAIN] = program.again
    program.execute_as_main()
    return 0


def run_again(scope: dict[str, Any]) -> None:
    """In a spawned process: execute the program that `run` runs in this one's main module.

    Importing the main module is how the process gets at the functions and classes that the program
    defines at its top; its name is `__mp_main__`, so that `if __name__ == "__main__":` holds back
    the rest.
    """
    names.install()
    kind, _, what = os.environ[config.MAIN].partition(":")
    program = Module(what) if kind == "module" else Script(what)
    scope.update(program.attributes())
    exec(program.code, scope)


class ProgramNotFound(Exception):
    """There is no such program; the message says what was looked for."""


class Program:
    """What runs as the main module."""

    code: CodeType
    path: str
    """Its file."""
    shown: str
    """What `sys.argv[0]` says."""
    again: str
    """How a spawned process finds it."""
    package: str | None = None
    loader: Any = None

    def attributes(self) -> dict[str, Any]:
        """What the main module knows of itself."""
        return {
            "__file__": self.path, "__loader__": self.loader, "__package__": self.package,
            "__cached__": None, "__builtins__": builtins,
        }  # fmt: skip

    def execute_as_main(self) -> None:
        """Execute the code in a new `__main__`, which stays for threads and exit handlers."""
        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__dict__.update(self.attributes())
        module.__spec__ = _MainSpec(self)
        exec(self.code, module.__dict__)


class Script(Program):
    """A file, or a folder with a `__main__.py`."""

    def __init__(self, given: str) -> None:
        path = os.path.join(given, "__main__.py") if os.path.isdir(given) else given
        if not os.path.isfile(path):
            raise ProgramNotFound(f"can't open file {os.path.abspath(given)!r}: no such file")
        self.shown = given
        self.path = os.path.abspath(path)
        self.again = f"script:{self.path}"
        self.loader = SourceFileLoader("__main__", self.path)
        with io.open_code(self.path) as file:
            self.code = compile(file.read(), self.path, "exec", dont_inherit=True)


class Module(Program):
    """A module that is found on the path, or a package's `__main__`."""

    def __init__(self, name: str) -> None:
        name = names.target_of(name) or name
        try:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = importlib.util.find_spec(f"{name}.__main__")
        except ModuleNotFoundError as error:
            raise ProgramNotFound(f"no module named {error.name}") from None
        get_code = getattr(spec and spec.loader, "get_code", None)
        code = get_code(spec.name) if spec is not None and get_code is not None else None
        if spec is None or code is None:
            raise ProgramNotFound(f"no module named {name}")
        self.code, self.loader, self.package = code, spec.loader, spec.parent
        self.path = self.shown = spec.origin or name
        self.again = f"module:{name}"


class _MainSpec(ModuleSpec):
    """The main module's spec: what `multiprocessing` tells a spawned process to import as it.

    That process knows nothing of us: it starts with a bare interpreter. Python lets it import the
    parent's main module by the name in its spec, so that is the name of our module which resolves
    PyTorch's names there first.
    """

    def __init__(self, program: Program) -> None:
        super().__init__("flambeau.compat.spawned", program.loader, origin=program.path)
        self._package = program.package

    @property
    def parent(self) -> str | None:
        """What relative imports start from."""
        return self._package


def _lead_path(folder: str) -> None:
    """Make the program's folder the first that imports look in, as Python does."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _keep_importable() -> None:
    """Let `sys.path` lead to flambeau still when its first entry is the script's folder.

    A spawned process gets this list and imports flambeau by it.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if root not in (os.path.abspath(p) for p in sys.path[1:]):
        sys.path.append(root)


def _shorten_tracebacks() -> None:
    """Uncaught errors show the program's frames only, as if Python ran it, and what we lack."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        rest = trace
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == __file__:
                rest = trace.tb_next
            trace = trace.tb_next
        names.explain(error)
        shown(kind, error.with_traceback(rest), rest)

    shown = sys.excepthook
    sys.excepthook = show
