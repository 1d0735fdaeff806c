"""The text of PTX, parsed: what LLVM's NVPTX back end and inline assembly write.

`parse(text)` gives a `Module`: variables and functions, a function a flat list of `Instruction` and
labels. Nested scopes are resolved: a register or a label declared in braces gets a name of its own.
Nothing here knows what an instruction does.
"""

from __future__ import annotations

import bisect
import re
import struct

from .ptx_tokens import tokens
from .ptx_tree import (
    SIZES,
    Address,
    Function,
    Immediate,
    Instruction,
    Label,
    Module,
    Negated,
    Operand,
    Pair,
    PtxError,
    Register,
    Sink,
    Special,
    Symbol,
    Variable,
    Vector,
)

__all__ = [
    "SIZES",
    "Address",
    "Function",
    "Immediate",
    "Instruction",
    "Label",
    "Module",
    "Negated",
    "Operand",
    "Pair",
    "PtxError",
    "Register",
    "Sink",
    "Special",
    "Symbol",
    "Variable",
    "Vector",
    "parse",
]


def parse(text: str) -> Module:
    """A module of its text."""
    return _Parser(text).module()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(tokens(text))
        self.at = 0
        self.scopes: list[dict[str, str]] = []
        self.function_now: Function | None = None
        self.fresh = 0
        self.lines = [m.start() for m in re.finditer("\n", text)]

    # Tokens.

    def fail(self, what: str) -> PtxError:
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        line = self.line(token.start)
        return PtxError(
            f"line {line}: {what} at {token.text!r}: {self.text.splitlines()[line - 1].strip()}"
        )

    def line(self, start: int) -> int:
        return bisect.bisect_left(self.lines, start) + 1

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def next(self) -> str:
        if self.at >= len(self.tokens):
            raise PtxError("the text ends too soon")
        self.at += 1
        return self.tokens[self.at - 1].text

    def take(self, text: str) -> bool:
        if self.peek() == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.fail(f"expected {text!r}")

    def integer(self) -> int:
        sign = -1 if self.take("-") else 1
        return sign * int(self.next().rstrip("U"), 0)

    def skip_line(self) -> None:
        """Past what stands on the line of the last token (directives without an end of their own)."""
        line = self.line(self.tokens[self.at - 1].start)
        while self.at < len(self.tokens) and self.line(self.tokens[self.at].start) == line:
            self.at += 1

    # The module.

    def module(self) -> Module:
        made = Module()
        while self.at < len(self.tokens):
            word = self.next()
            if word == ".version":
                made.version = self.next() if self.peek() != "." else ""
            elif word == ".target":
                made.target = self.next()
                while self.take(","):
                    self.next()
            elif word == ".address_size":
                self.next()
            elif word in (".visible", ".weak", ".common"):
                continue
            elif word == ".extern":
                if self.peek() not in (".func", ".entry"):
                    found = self.variable(self.next(), extern=True)
                    made.variables[found.name] = found
            elif word in (".entry", ".func"):
                function = self.function(word == ".entry")
                old = made.functions.get(function.name)
                if old is None or old.declared:
                    made.functions[function.name] = function
            elif word in (".global", ".const", ".shared"):
                found = self.variable(word)
                made.variables[found.name] = found
            elif word in (".file", ".loc", ".section", ".pragma"):
                self.skip_line()
            elif word == ";":
                continue
            else:
                self.at -= 1
                raise self.fail("not known at the top of a module")
        return made

    def variable(self, space: str, extern: bool = False, parameter: bool = False) -> Variable:
        """After the space: `.align 4 .b8 name[16] = {...};`."""
        align, kind, name, pointer = 0, "", "", False
        while True:
            word = self.next()
            if word == ".align":
                value = self.integer()
                if not pointer:  # else it is the alignment of what it points to
                    align = value
            elif word == ".ptr":
                pointer = True
            elif word in (".global", ".shared", ".const", ".local", ".generic", ".managed"):
                continue
            elif word.startswith(".") and word[1:] in SIZES:
                kind = word[1:]
            elif word in (".v2", ".v4"):
                raise self.fail("vector variables are not known")
            else:
                name = word
                break
        each = SIZES[kind]
        count, extents, open_array = 1, 0, False
        while self.take("["):
            extents += 1
            if self.take("]"):
                open_array = True
                continue
            count *= self.integer()
            self.expect("]")
        initial: bytes | None = None
        if self.take("="):
            values = self.initialiser()
            if open_array:
                count, open_array = len(values), False
            data = b"".join((v & ((1 << 8 * each) - 1)).to_bytes(each, "little") for v in values)
            initial = data.ljust(count * each, b"\0")
        if not parameter:
            self.expect(";")
        return Variable(
            name, space[1:], align or each, 0 if open_array else count * each, initial, extern
        )

    def initialiser(self) -> list[int]:
        if self.take("{"):
            values: list[int] = []
            while not self.take("}"):
                values += self.initialiser()
                self.take(",")
            return values
        token = self.tokens[self.at]
        if token.kind == "float":
            self.at += 1
            return [_float(token.text).bits]
        if token.kind != "number" and token.text != "-":
            raise self.fail("an initial value that is no number is not known")
        return [self.integer()]

    # Functions.

    def function(self, entry: bool) -> Function:
        results: list[Variable] = []
        if self.peek() == "(":
            results = self.parameters()
        made = Function(self.next(), entry, results=results)
        if self.peek() == "(":
            made.parameters = self.parameters()
        while self.peek() not in ("{", ";"):
            word = self.next()
            if word in (".maxntid", ".reqntid"):
                threads = self.integer()
                while self.take(","):
                    threads *= self.integer()
                made.max_threads = threads
            elif word in (".minnctapersm", ".maxnreg", ".maxclusterrank"):
                self.integer()
            elif word in (".noreturn",):
                continue
            else:
                raise self.fail("not known at the head of a function")
        if self.take(";"):
            return made
        made.declared = False
        self.body(made)
        return made

    def parameters(self) -> list[Variable]:
        self.expect("(")
        found = []
        while not self.take(")"):
            space = self.next()
            if space == ".reg":
                raise self.fail("parameters in registers are not known")
            found.append(self.variable(space, parameter=True))
            self.take(",")
        return found

    def body(self, into: Function) -> None:
        self.expect("{")
        self.function_now = into
        self.scopes = [{}]
        self.labels_of_scope(into)
        depth = 1
        while depth:
            word = self.next()
            if word == "{":
                depth += 1
                self.scopes.append({})
                self.labels_of_scope(into)
            elif word == "}":
                depth -= 1
                self.scopes.pop()
                self.function_now = into if depth else None
            elif word == ".reg":
                self.registers(into)
            elif word in (".shared", ".local", ".param", ".const", ".global"):
                found = self.variable(word)
                into.variables.append(found._replace(name=self.declare(found.name)))
            elif word == ".loc" or word == ".file":
                self.skip_line()
            elif word == ".pragma":
                self.next()
                self.expect(";")
            elif word == ".branchtargets":
                raise self.fail("branch targets without a label")
            elif word == ";":
                continue
            elif self.peek() == ":" and self.tokens[self.at - 1].kind == "name":
                self.at += 1
                name = self.resolve(word)
                if self.take(".branchtargets"):
                    names = [self.resolve(self.next())]
                    while self.take(","):
                        names.append(self.resolve(self.next()))
                    self.expect(";")
                    into.targets[name] = tuple(names)
                elif self.peek() == ".callprototype":
                    raise self.fail("indirect calls are not known")
                else:
                    into.body.append(Label(name))
            else:
                self.at -= 1
                into.body.append(self.instruction())

    def labels_of_scope(self, into: Function) -> None:
        """The labels of the scope that begins here are known in all of it."""
        depth, at = 0, self.at
        while at + 1 < len(self.tokens):
            text = self.tokens[at].text
            if text == "{":
                depth += 1
            elif text == "}":
                depth -= 1
                if depth < 0:
                    return
            elif depth == 0 and self.tokens[at].kind == "name" and self.tokens[at + 1].text == ":":
                self.declare(text)
            at += 1

    def declare(self, name: str) -> str:
        """A name in the innermost scope: itself in the outermost, else one of its own."""
        unique = name
        if len(self.scopes) > 1:
            self.fresh += 1
            unique = f"{name}.{self.fresh}"
        self.scopes[-1][name] = unique
        return unique

    def resolve(self, name: str) -> str:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return name

    def registers(self, into: Function) -> None:
        kind = self.next()[1:]
        if kind in ("v2", "v4"):
            raise self.fail("vector registers are not known")
        size = SIZES[kind]
        kind = "pred" if kind == "pred" else f"b{max(16, 8 * size)}"
        while True:
            name = self.next()
            if self.take("<"):
                for i in range(self.integer()):
                    into.registers[self.declare(f"{name}{i}")] = kind
                self.expect(">")
            else:
                into.registers[self.declare(name)] = kind
            if self.take(";"):
                return
            self.expect(",")

    def instruction(self) -> Instruction:
        begin = self.tokens[self.at]
        predicate = None
        if self.take("@"):
            negated = self.take("!")
            predicate = (self.resolve(self.next()), negated)
        name = self.next().split(".")
        operands: list[Operand] = []
        while not self.take(";"):
            operands.append(self.operand())
            if self.peek() != ";":
                self.expect(",")
        text = " ".join(self.text[begin.start : self.tokens[self.at - 1].start].split())
        modifiers = tuple(name[1:])
        return Instruction(
            name[0], modifiers, tuple(operands), predicate, self.line(begin.start), text
        )

    def operand(self) -> Operand:
        found = self.single()
        if self.take("|"):
            return Pair(found, self.single())
        return found

    def single(self) -> Operand:
        token = self.tokens[self.at]
        if token.text in ("{", "("):
            end = "}" if token.text == "{" else ")"
            self.at += 1
            items = []
            while not self.take(end):
                items.append(self.operand())
                self.take(",")
            return Vector(tuple(items))
        if self.take("["):
            base: Operand | None = None
            offset = 0
            if self.tokens[self.at].kind == "name":
                base = self.single()
            else:
                offset = self.integer()
            while self.peek() in ("+", "-"):
                sign = 1 if self.next() == "+" else -1
                offset += sign * self.integer()
            self.expect("]")
            if isinstance(base, Symbol):
                base, offset = base._replace(offset=0), offset + base.offset
            return Address(base, offset)
        if self.take("!"):
            return Negated(self.single())
        if token.text == "-" or token.kind == "number":
            if token.text == "-" and self.tokens[self.at + 1].kind == "float":
                raise self.fail("a negative constant of floating point is written by its bits")
            return Immediate(self.integer(), "i")
        if token.kind == "float":
            self.at += 1
            return _float(token.text)
        if token.kind != "name":
            raise self.fail("expected an operand")
        self.at += 1
        name = token.text
        if name == "_":
            return Sink()
        unique = self.resolve(name)
        if self.function_now is not None and unique in self.function_now.registers:
            return Register(unique)
        if name.startswith("%") or name == "WARP_SZ":
            return Special(name)
        offset = 0
        if self.take("+"):
            offset = self.integer()
        return Symbol(unique, offset)


def _float(text: str) -> Immediate:
    if text[1:2] in "fF":
        return Immediate(int(text[2:], 16), "f32")
    if text[1:2] in "dD":
        return Immediate(int(text[2:], 16), "f64")
    return Immediate(struct.unpack("<Q", struct.pack("<d", float(text)))[0], "f64")
