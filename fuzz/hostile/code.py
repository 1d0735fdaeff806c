"""Pickles that ask for code: the published exploits and the ways to hide them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from typing import Any

from fuzz.hostile import COMMAND, Attack
from fuzz.hostile.assembly import call, name, number, raw, text, tuple_of
from fuzz.targets._archives import checkpoint, stream

_REFUSED = "not among the names that flambeau knows"
_WHOLE = _REFUSED
# Where the published exploits and the scanners' blind spots are; one string is the argument.
FUNCTIONS = """
os.system posix.system nt.system os.popen os.execvp os.spawnlp os.remove os.putenv
subprocess.Popen subprocess.call subprocess.check_output subprocess.run commands.getoutput
builtins.eval builtins.exec builtins.compile builtins.__import__ builtins.open builtins.breakpoint
builtins.globals builtins.setattr builtins.type builtins.map builtins.apply builtins.execfile
builtins.input builtins.vars builtins.dir builtins.memoryview builtins.super
importlib.import_module importlib.util.spec_from_file_location importlib._bootstrap._gcd_import
runpy.run_path runpy._run_code runpy.run_module code.InteractiveInterpreter code.interact
codeop.compile_command pty.spawn webbrowser.open shutil.rmtree shutil.copyfile ctypes.CDLL
ctypes.cdll.LoadLibrary ctypes.string_at operator.attrgetter operator.methodcaller
operator.itemgetter functools.reduce functools.partialmethod itertools.starmap types.FunctionType
types.CodeType types.MethodType marshal.loads pickle.loads _pickle.loads pickle.Unpickler
copyreg._reconstructor copyreg.add_extension copyreg.__newobj__ dill._dill.loads
dill._dill._create_function cloudpickle.cloudpickle._make_function joblib.load pandas.read_pickle
pandas.core.computation.eval.eval asyncio.unix_events._UnixSubprocessTransport._start bdb.Bdb.run
cProfile.run cProfile.runctx profile.run trace.Trace.run timeit.timeit timeit.main pdb.run pdb.Pdb
doctest.debug_script lib2to3.pgen2.grammar.Grammar.loadgrammar lib2to3.pgen2.pgen.ParserGenerator
idlelib.pyshell.ModifiedInterpreter.runcommand idlelib.run.Executive.runcode
idlelib.autocomplete.AutoComplete.get_entity idlelib.calltip.get_entity
idlelib.debugobj.ObjectTreeItem.SetText pip.main pip._internal.main pydoc.pipepager pydoc.locate
imaplib.IMAP4_stream ensurepip._run_pip uuid._get_command_stdout distutils.file_util.write_file
distutils.spawn.spawn logging.config.listen socket.create_connection socket.socket
urllib.request.urlopen urllib.request.urlretrieve http.client.HTTPSConnection ftplib.FTP
smtplib.SMTP ssl.get_server_certificate tempfile.mktemp zipfile.ZipFile tarfile.open
multiprocessing.Process multiprocessing.util.spawnv_passfds threading.Thread signal.signal
sys.exit sys.setrecursionlimit sys.settrace gc.disable atexit.register test.support.script_helper.run_python_until_end
venv.create nturl2path.pathname2url _osx_support._read_output _aix_support._read_cmd_output
aifc.open tkinter.Tcl turtle.Screen this.s antigravity.webbrowser
numpy.load numpy.fromfile numpy.memmap numpy.save numpy.savetxt numpy.frombuffer numpy.vectorize
numpy.testing._private.utils.runstring numpy.testing.measure numpy.f2py.compile
numpy.f2py.crackfortran.getlincoef numpy.f2py.crackfortran.param_eval
numpy.f2py.crackfortran._eval_length numpy.f2py.crackfortran.myeval numpy.ctypeslib.load_library
numpy.distutils.exec_command.exec_command numpy.lib.npyio.load numpy.core.multiarray.fromfile
numpy.core._internal.doc numpy.random._pickle.__generator_ctor numpy.core.records.fromfile
torch.load torch.save torch.serialization.load torch.hub.load torch.hub.download_url_to_file
torch.hub.load_state_dict_from_url torch.utils.model_zoo.load_url torch.jit.load torch.compile
torch.storage._load_from_bytes torch.storage.UntypedStorage.from_file torch.from_file
torch.utils.collect_env.run torch.utils._config_module.ConfigModule.load_config
torch.utils.bottleneck.__main__.run_cprofile torch.utils.bottleneck.__main__.run_autograd_prof
torch.utils.cpp_extension.load_inline torch.utils.data.datapipes.utils.decoder.basichandlers
torch._dynamo.guards.GuardBuilder.get torch._inductor.codecache.PyCodeCache.load
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
torch.jit.unsupported_tensor_ops.execWrapper torch.ops.load_library torch.classes.load_library
torch.multiprocessing.spawn torch.package.PackageImporter torch.distributed.launch
torch._utils._import_dotted_name torch._utils._rebuild_qtensor torch.nn.Module torch.Tensor.numpy
torch.serialization.os.system torch.os.system torch.nn.modules.torch.hub.load torch.sys.exit
torch.nn.init.torch.serialization.os.system torch.utils.data.dataloader.multiprocessing.Process
torchvision.datasets.utils.download_url torchvision.io.write_file torchvision.utils.save_image
flambeau.serialization.os.system flambeau.hub.load collections.namedtuple collections.UserDict
collections.abc.sys.exit codecs.decode codecs.open _codecs.lookup _io.FileIO io.open io.open_code
""".split()
# With weights_only=False a function of the library that only computes is a value that can be named.
_OTHERWISE = {
    "torch.nn.Module": "can't be called|without arguments",
}


class _Reduced:
    def __reduce__(self) -> Any:
        return os.system, (COMMAND,)


class _Evaluated:
    def __reduce__(self) -> Any:
        return eval, (f"__import__('os').system({COMMAND!r})",)


def _ways() -> Iterator[tuple[str, bytes, str]]:
    """The same call, asked for by every opcode that can."""
    system, command = name("os", "system"), text(COMMAND)
    pushed = text("os") + text("system") + b"\x93"
    yield "stack-global", pushed + tuple_of(command) + b"R", _REFUSED
    yield "stack-global-dotted", text("torch") + text("serialization.os.system") + b"\x93", _REFUSED
    yield (
        "getattr-chain",
        call("builtins", "getattr", name("torch", "Tensor"), text("__init__")),
        (_REFUSED + "|asks for"),
    )
    yield (
        "stack-global-dunder",
        text("builtins") + text("object.__subclasses__") + b"\x93",
        _REFUSED,
    )
    yield "stack-global-not-text", number(1) + number(2) + b"\x93", "name is not text"
    memo = text("os") + b"q\x010" + text("system") + b"q\x020h\x01h\x02\x93"
    yield "memo", memo + tuple_of(command) + b"R", _REFUSED
    yield "memo-late", b"]q\x050" + memo + b"q\x090h\x09" + tuple_of(command) + b"R", _REFUSED
    yield "inst", b"(" + command + b"ios\nsystem\n", _REFUSED
    yield "obj", b"(" + system + command + b"o", _REFUSED
    yield "newobj", system + tuple_of(command) + b"\x81", _REFUSED
    yield "newobj-ex", system + tuple_of(command) + b"}\x92", _REFUSED
    yield "ext1", b"\x82\x01" + tuple_of(command) + b"R", "extension registry"
    yield "ext2", b"\x83\x01\x00" + tuple_of(command) + b"R", "extension registry"
    yield "ext4", b"\x84\x01\x00\x00\x00" + tuple_of(command) + b"R", "extension registry"
    yield "call-of-text", command + tuple_of(command) + b"R", "calls an object of type 'str'"
    yield "call-of-dtype", name("torch", "float32") + tuple_of(command) + b"R", "only the names"
    yield "call-of-result", call("collections", "OrderedDict") + b")R", "only the names"
    yield "arguments-are-a-list", name("collections", "OrderedDict") + b"]R", "no arguments"
    yield "newobj-ex-with-list", name("collections", "OrderedDict") + b")]\x92", "no arguments"
    ordered = call("collections", "OrderedDict")
    for attribute in ("__class__", "__dict__", "__setstate__", "__reduce__", "items", "update"):
        state = b"}" + text(attribute) + system + b"s"
        yield f"build-{attribute.strip('_')}", ordered + state + b"b", _REFUSED
        state = b"}" + text(attribute) + name("builtins", "object") + b"s"
        yield f"build-data-{attribute.strip('_')}", ordered + state + b"b", "sets .*of OrderedDict"
    yield "build-slots", ordered + b"N}" + text("__class__") + b"Ns\x86b", "state of OrderedDict"
    yield "build-of-class", name("torch", "Tensor") + b"}b", "sets the state of"
    yield "build-of-function", name("torch._utils", "_rebuild_tensor") + b"}b", "sets the state of"
    yield "build-of-tuple", b")}b", "sets the state of a tuple"
    yield "factory", call("collections", "defaultdict", system), _REFUSED
    yield "factory-known", call("collections", "defaultdict", name("torch", "Tensor")), "factory"
    yield (
        "hooks-of-tensor",
        call("torch._utils", "_rebuild_parameter_with_state", b"N", b"\x88", b"}", b"}"),
        "without a tensor",
    )
    yield "persistent-text", b"Pos.system\n", "no storage"
    yield (
        "persistent-module",
        tuple_of(*map(text, ("module", "a", "b.py", "code"))) + b"Q",
        ("whole module|no storage"),
    )
    yield "out-of-band", b"\x97", "out of band"
    yield "protocol-6", b"\x80\x06N", "protocol 6"
    yield "no-opcode", b"\xff", "no pickle opcode"
    inner = pickle.dumps(_Reduced())
    yield "nested-pickle", call("torch.storage", "_load_from_bytes", raw(inner)), _REFUSED
    yield "nested-pickle-codecs", call("pickle", "loads", raw(inner)), _REFUSED
    yield "after-good-data", b"]" + system + tuple_of(command) + b"Ra", _REFUSED
    yield "popped-again", system + tuple_of(command) + b"R0N", _REFUSED
    yield "in-a-key", b"}" + system + tuple_of(command) + b"RNs", _REFUSED


def attacks() -> Iterator[Attack]:
    """Around each exploit an archive, and around some a stream of the form before PyTorch 1.6."""
    for full in FUNCTIONS:
        module, _, attribute = full.rpartition(".")
        pickled = b"\x80\x02" + call(module, attribute, text(COMMAND)) + b"."
        whole = _OTHERWISE.get(full, _WHOLE)
        yield Attack(f"code/{full}.pt", checkpoint(pickled), _REFUSED, whole)
        if full in ("os.system", "builtins.eval", "torch.hub.load", "numpy.load"):
            yield Attack(f"code/{full}-stream.pt", stream(pickled, {}), _REFUSED, whole)
    for index, value in enumerate((_Reduced(), _Evaluated(), [1, {"a": (_Reduced(),)}])):
        for protocol in range(6):
            pickled = pickle.dumps(value, protocol)
            yield Attack(f"code/reduce-{index}-{protocol}.pt", checkpoint(pickled), _REFUSED)
            yield Attack(f"code/reduce-{index}-{protocol}-stream.pt", stream(pickled, {}), _REFUSED)
    for way, pickled, refusal in _ways():
        # The old form says a module's class so: a trusted file may, and here it is text.
        whole = None if way == "persistent-module" else ""
        yield Attack(f"code/way-{way}.pt", checkpoint(pickled + b"."), refusal)
        yield Attack(f"code/way-{way}-stream.pt", stream(pickled + b".", {}), refusal, whole)
    evil = pickle.dumps(_Reduced(), 2)
    sound = stream(b"N.", {})
    head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}, None, [])]
    assert sound.endswith(head[4])
    for place, what in enumerate(("magic", "version", "machine", "object", "keys")):
        parts = [*head[:place], evil, *head[place + 1 :]]
        yield Attack(f"code/stream-{what}.pt", b"".join(parts), _REFUSED)
    yield Attack("code/plain-pickle.pkl", evil, _REFUSED)
    yield Attack("code/after-the-end.pt", checkpoint(b"N." + evil), None)
