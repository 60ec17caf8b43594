"""Real data that every machine with Python has: the docstrings of its standard library, by area."""

import ast
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

AREAS: Mapping[str, tuple[str, ...]] = {
    "docs-stdlib-text": (
        "re", "string", "textwrap", "difflib", "html", "json", "csv", "configparser", "codecs", "xml", "email",
        "gettext", "pprint", "reprlib", "tokenize", "token", "ast", "inspect", "pydoc", "optparse", "argparse",
    ),
    "docs-stdlib-data": (
        "collections", "datetime", "decimal", "_pydecimal", "_pydatetime", "fractions", "statistics", "random",
        "heapq", "bisect", "copy", "enum", "dataclasses", "typing", "functools", "numbers", "pickle", "shelve",
        "sqlite3", "zipfile", "tarfile", "gzip", "bz2", "lzma", "pathlib", "shutil", "tempfile", "os", "io", "_pyio",
    ),
    "docs-stdlib-network": (
        "socket", "socketserver", "ssl", "http", "urllib", "ftplib", "imaplib", "smtplib", "poplib", "xmlrpc",
        "ipaddress", "asyncio", "selectors", "wsgiref", "mailbox", "telnetlib", "nntplib", "webbrowser",
    ),
    "docs-stdlib-system": (
        "threading", "multiprocessing", "concurrent", "subprocess", "queue", "logging", "unittest", "doctest",
        "importlib", "contextlib", "abc", "traceback", "platform", "ctypes", "curses", "tkinter", "turtle", "cmd",
        "pdb", "bdb", "trace", "timeit", "cProfile", "profile", "pstats", "venv", "zipapp", "site", "distutils",
    ),
}  # fmt: skip
"""A collection and the top-level modules it holds."""

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Text:
    """One docstring.

    :param id: dotted name of what it describes, with its line, so that redefinitions differ
    """

    id: str
    text: str
    metadata: dict[str, str]


def collect(library: Path | None = None) -> dict[str, list[Text]]:
    """Read the docstrings from the library's source, without importing it; tests are left out."""
    root = library or Path(sysconfig.get_paths()["stdlib"])
    return {area: [text for name in modules for text in _of_module(root, name)] for area, modules in AREAS.items()}


def _of_module(root: Path, name: str) -> Iterator[Text]:
    single = root / f"{name}.py"
    files = [single] if single.exists() else sorted((root / name).rglob("*.py"))
    for path in files:
        inside = path.relative_to(root).with_suffix("").parts
        if not {"test", "tests", "idle_test", "__pycache__"} & set(inside):
            module = ".".join(part for part in inside if part != "__init__")
            yield from _documented(ast.parse(path.read_bytes()), module)


def _documented(node: Definition, name: str) -> Iterator[Text]:
    text = ast.get_docstring(node)
    line = getattr(node, "lineno", 1)
    if text and text.strip():
        yield Text(f"{name}:{line}", text, {"name": name, "kind": _kind(node), "line": str(line), "text": text[:2000]})
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child, f"{name}.{child.name}")


def _kind(node: Definition) -> str:
    if isinstance(node, ast.Module):
        return "module"
    return "class" if isinstance(node, ast.ClassDef) else "function"
