"""What calls do to the machine: a table of dotted names, and the few cases that depend on the arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum

from aibom.inspectors.python_names import DECODERS, Names, walk


class Act(StrEnum):
    """A way in which code acts beyond computing."""

    PROCESS = "starts a process"
    CODE = "runs code that it makes"
    HIDDEN = "runs code that it hides"
    NETWORK = "connects to the network"
    DOWNLOAD = "downloads files"
    NATIVE = "loads a native library"
    FILES = "changes files"
    UNPICKLE = "unpickles"
    INSTALL = "installs packages"
    SECRETS = "reads secrets"


_EXACT = {
    Act.PROCESS: frozenset({
        "os.system", "os.popen", "os.startfile", "os.posix_spawn", "os.posix_spawnp", "posix.system", "posix.popen",
        "nt.system", "subprocess.run", "subprocess.call", "subprocess.Popen", "subprocess.check_call",
        "subprocess.check_output", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn",
        "commands.getoutput", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "pexpect.spawn",
        "pexpect.run", "_posixsubprocess.fork_exec", "_winapi.CreateProcess", "runpy.run_path", "runpy.run_module",
        "code.interact", "platform.popen", "popen2.popen3", "os.fork", "os.forkpty", "pty.fork",
    }),
    Act.INSTALL: frozenset({"pip.main", "pip._internal.main", "pip._internal.cli.main.main"}),
    Act.NETWORK: frozenset({
        "socket.socket", "socket.create_connection", "socket.create_server", "urllib.request.urlopen",
        "urllib.request.urlretrieve", "urllib.urlopen", "urllib2.urlopen", "http.client.HTTPConnection",
        "http.client.HTTPSConnection", "ftplib.FTP", "smtplib.SMTP", "smtplib.SMTP_SSL", "telnetlib.Telnet",
        "xmlrpc.client.ServerProxy", "aiohttp.ClientSession", "websocket.create_connection", "websockets.connect",
        "paramiko.SSHClient", "dns.resolver.resolve", "socketserver.TCPServer", "imaplib.IMAP4", "poplib.POP3",
        "asyncio.open_connection", "pycurl.Curl",
    }),
    Act.DOWNLOAD: frozenset({
        "huggingface_hub.hf_hub_download", "huggingface_hub.snapshot_download", "torch.hub.load", "gdown.download",
        "torch.hub.load_state_dict_from_url", "torch.hub.download_url_to_file", "wget.download",
        "torch.utils.model_zoo.load_url", "tensorflow.keras.utils.get_file", "keras.utils.get_file",
        "cached_path.cached_path", "transformers.utils.hub.cached_file", "transformers.utils.cached_file",
        "modelscope.snapshot_download", "nltk.download",
    }),
    Act.NATIVE: frozenset({
        "ctypes.CDLL", "ctypes.PyDLL", "ctypes.WinDLL", "ctypes.OleDLL", "ctypes.cdll.LoadLibrary",
        "ctypes.windll.LoadLibrary", "ctypes.pydll.LoadLibrary", "torch.ops.load_library", "torch.classes.load_library",
        "torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline", "cffi.FFI.dlopen",
        "tensorflow.load_op_library", "imp.load_dynamic",
    }),
    Act.FILES: frozenset({
        "os.remove", "os.unlink", "os.rmdir", "os.removedirs", "os.rename", "os.renames", "os.replace", "os.chmod",
        "os.chown", "os.symlink", "os.link", "os.truncate", "shutil.rmtree", "shutil.move", "shutil.copy",
        "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.unpack_archive", "shutil.make_archive",
    }),
    Act.UNPICKLE: frozenset({
        "pickle.load", "pickle.loads", "pickle.Unpickler", "_pickle.loads", "cPickle.load", "cPickle.loads",
        "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads", "joblib.load", "marshal.load",
        "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "jsonpickle.decode",
    }),
}  # fmt: skip
_BY_NAME = {name: act for act, names in _EXACT.items() for name in names}
_PREFIXES = (
    (("os.exec", "os.spawn"), Act.PROCESS),
    (("requests.", "httpx.", "urllib3."), Act.NETWORK),
)
_HTTP = frozenset({"get", "post", "put", "patch", "delete", "head", "request", "Session", "session", "stream",
                   "Client", "AsyncClient", "PoolManager", "HTTPConnectionPool"})  # fmt: skip
_EXECUTORS = frozenset({"builtins.exec", "builtins.eval", "builtins.compile", "types.FunctionType", "types.CodeType",
                        "builtins.execfile"})  # fmt: skip
_SOURCE_LOADERS = frozenset({"importlib.util.spec_from_file_location", "imp.load_source",
                             "importlib.machinery.SourceFileLoader"})  # fmt: skip
# What the C library does when it is called by name, and attributes that lead from any object to every class.
_C_FUNCTIONS = frozenset({"system", "popen", "execl", "execlp", "execle", "execv", "execve", "execvp", "fork", "vfork",
                          "posix_spawn", "posix_spawnp", "dlopen", "WinExec", "ShellExecuteA", "ShellExecuteW",
                          "CreateProcessA", "CreateProcessW"})  # fmt: skip
_UPWARDS = frozenset({"__base__", "__bases__", "__mro__", "mro"})
_STEPS = 5000
_CARRIED = 16  # characters: the shortest pickle that runs something is longer
_WRITING = re.compile(r"[wax+]")
_WRITERS = frozenset({"write_text", "write_bytes"})
_SENSITIVE = re.compile(
    r"(\.ssh[/\\]id_|id_rsa|id_ed25519|authorized_keys|\.aws[/\\]credentials|\.netrc|\.docker[/\\]config\.json|\.kube[/\\]config"
    r"|\.git-credentials|/etc/(passwd|shadow|sudoers|cron)|\.bash_history|huggingface[/\\](token|stored_tokens)"
    r"|Login Data|Cookies|wallet\.dat)"
)
_PERSISTENT = re.compile(
    r"(\.bashrc|\.bash_profile|\.zshrc|\.profile$|crontab|/etc/|authorized_keys|LaunchAgents|systemd|sitecustomize"
    r"|usercustomize|\.pth$|autostart|Startup[/\\])"
)
_INSTALLER = re.compile(r"\b(pip3?|uv|conda|mamba|apt(-get)?|npm|yum|dnf)\b[\s',\"]+(-\w+[\s',\"]+)*install\b")
# Programs that setup scripts ask about the machine.
_ASKING = re.compile(
    r"^[\s\[('\"]*(git|nvcc|nvidia-smi|rocm-smi|gcc|g\+\+|c\+\+|clang|cmake|ninja|which|where|uname|ldconfig|lscpu|sysctl"
    r"|hostname|xcrun|llvm-config|python3?|make|rustc|fc-list|lsb_release|cat /(proc|sys)|wmic)\b"
)


def act_of(node: ast.Call, names: Names) -> Act | None:
    """Return how a call acts, None where it only computes."""
    name = names.dotted(node.func)
    if name is None or name == "builtins.object.__subclasses__":
        return _unnamed(node, names)
    if name in _EXECUTORS:
        return _execution(node, names)
    if name == "builtins.__import__" or name in {"importlib.import_module", "importlib.__import__"}:
        return Act.HIDDEN if node.args and is_hidden(node.args[0], names) else None
    if name in _SOURCE_LOADERS:
        path = names.text(node.args[1]) if len(node.args) > 1 else None
        return Act.HIDDEN if isinstance(path, str) and not path.endswith((".py", ".so", ".pyd")) else Act.CODE
    if name in {"builtins.open", "io.open", "codecs.open"}:
        return Act.FILES if _opens_to_write(node, names) else None
    if name == "yaml.load" and any("Safe" in ast.dump(part) for part in [*node.args[1:], *node.keywords]):
        return None
    act = _BY_NAME.get(name)
    if act is None:
        act = next((found for starts, found in _PREFIXES if name.startswith(starts)), None)
        if act is Act.NETWORK and name.rpartition(".")[2] not in _HTTP:
            act = None
    if act is Act.PROCESS and _INSTALLER.search(arguments_text(node, names)):
        return Act.INSTALL
    if act is Act.UNPICKLE and node.args and _is_carried_along(node.args[0], names):
        # A pickle in the source: what it does is not to be seen there, whether it is encoded or not.
        bare = name.endswith("loads") and names.text(node.args[0]) is not None
        return Act.HIDDEN if bare or is_hidden(node.args[0], names) else act
    return act


def _unnamed(node: ast.Call, names: Names) -> Act | None:
    """Judge a call of an attribute of something that has no name: a file, a library, a class that was climbed to."""
    if not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr in _WRITERS:
        return Act.FILES
    owner = node.func.value
    if node.func.attr == "__subclasses__":
        # Of a class of one's own it is a registry; of the root of all classes it is a way around imports.
        climbs = any(isinstance(part, ast.Attribute) and part.attr in _UPWARDS for part in walk(owner))
        return Act.HIDDEN if climbs or names.dotted(owner) == "builtins.object" else None
    if node.func.attr in _C_FUNCTIONS:
        made = (names.value_of(owner.id) or owner) if isinstance(owner, ast.Name) else owner
        if isinstance(made, ast.Call) and _BY_NAME.get(names.dotted(made.func) or "") is Act.NATIVE:
            return Act.PROCESS
    return None


def handed_over(node: ast.AST, names: Names) -> Iterator[tuple[Act, str]]:
    """Yield functions that start processes or run code and are handed on as values: `map(os.system, ...)`."""
    match node:
        case ast.Call():
            values = [*node.args, *(pair.value for pair in node.keywords)]
        case ast.List() | ast.Tuple():
            values = node.elts
        case ast.Dict():
            values = node.values
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            values = [node.value]
        case ast.IfExp(body=body, orelse=orelse):
            values = [body, orelse]
        case ast.BoolOp(values=values):
            pass
        case ast.arguments(defaults=defaults, kw_defaults=keyword_defaults):
            values = [*defaults, *(value for value in keyword_defaults if value is not None)]
        case _:
            return
    for value in values[:1000]:
        if isinstance(value, ast.Attribute | ast.Name | ast.Subscript):
            name = names.dotted(value)
            if name in {"builtins.exec", "builtins.eval"}:
                yield Act.CODE, name
            elif name is not None and name != "subprocess.Popen" and _BY_NAME.get(name) is Act.PROCESS:
                yield Act.PROCESS, name


def only_asks(node: ast.Call, names: Names) -> bool:
    """Say whether a process is one by which a setup script learns about the machine (`git rev-parse`, `nvcc -V`)."""
    text = arguments_text(node, names)
    return bool(_ASKING.match(text)) and not re.search(r"[|;&`$<>]|\bcurl\b|\bwget\b|\b-c\b|clone|https?:", text)


def arguments_text(node: ast.Call, names: Names) -> str:
    """Return the constant parts of a call's first argument as one text: `['pip', 'install']` becomes `pip install`."""
    if not node.args:
        return ""
    first = node.args[0]
    first = names.value_of(first.id) or first if isinstance(first, ast.Name) else first
    if isinstance(first, ast.List | ast.Tuple):
        folded = [names.text(item) for item in first.elts[:50]]
        # `sys.executable` is the one variable that is as good as known.
        shown = ["python" if text is None else text if isinstance(text, str) else "" for text in folded]
        return " ".join(shown).replace("python -m ", "")
    text = names.text(first)
    if isinstance(text, str):
        return text
    return " ".join(
        part.value for part in walk(first) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def _execution(node: ast.Call, names: Names) -> Act | None:
    if not node.args:
        return None
    if is_hidden(node.args[0], names):
        return Act.HIDDEN
    return None if names.text(node.args[0]) is not None else Act.CODE


def is_hidden(node: ast.expr, names: Names) -> bool:
    """Say whether a value is made by decoding, decompressing or spelling out: the source does not show what it is."""
    pending: list[ast.AST] = [node]
    followed: set[str] = set()
    for _ in range(_STEPS):
        if not pending:
            break
        part = pending.pop()
        match part:
            case ast.Call() as call:
                name = names.dotted(call.func)
                if name in DECODERS or (name is not None and _fetches(name)):
                    return True
                if isinstance(call.func, ast.Attribute) and _spells_out(call, names):
                    return True
            case ast.Name(id=name) if name not in followed:
                followed.add(name)
                value = names.value_of(name)
                if value is not None:
                    pending.append(value)
            case ast.Subscript(slice=ast.Slice(step=ast.UnaryOp(op=ast.USub()))):
                return True
        pending.extend(ast.iter_child_nodes(part))
    return False


def _is_carried_along(node: ast.expr, names: Names) -> bool:
    """Say whether what is decoded stands in the source itself, and does not come from a file of data."""
    literals = [part for part in walk(node) if isinstance(part, ast.Constant | ast.Name)]
    for part in literals[:_STEPS]:
        text = names.text(part)
        if text is not None and len(text) >= _CARRIED:
            return True
    return False


def _fetches(name: str) -> bool:
    return _BY_NAME.get(name) is Act.NETWORK or name in {"requests.get", "requests.post", "httpx.get", "httpx.post"}


def _spells_out(call: ast.Call, names: Names) -> bool:
    """Recognize texts made of numbers or of another alphabet: joined `chr`, `bytes([...]).decode()`, `fromhex`."""
    assert isinstance(call.func, ast.Attribute)
    method = call.func.attr
    if method == "join":
        return any(
            isinstance(part, ast.Call) and names.dotted(part.func) in {"builtins.chr", "builtins.map"}
            and (names.dotted(part.func) == "builtins.chr"
                 or any(names.dotted(arg) == "builtins.chr" for arg in part.args))
            for argument in call.args
            for part in walk(argument)
        )  # fmt: skip
    if method == "decode":
        inner = call.func.value
        codec = names.text(call.args[0]) if call.args else None
        built = isinstance(inner, ast.Call) and names.dotted(inner.func) in {"builtins.bytes", "builtins.bytearray"}
        return built or codec in {"rot13", "rot_13", "hex", "base64", "zlib", "unicode_escape"}
    return method == "fromhex"


def _opens_to_write(node: ast.Call, names: Names) -> bool:
    mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
    text = names.text(mode)
    return isinstance(text, str) and bool(_WRITING.search(text))


def names_secrets(text: str) -> bool:
    """Say whether a text is the path of something that only its owner should read."""
    return bool(_SENSITIVE.search(text))


def names_startup(text: str) -> bool:
    """Say whether a text is a path from which something starts later by itself."""
    return bool(_PERSISTENT.search(text))
