"""What this repository consists of, and the rules its text has to keep."""

import ast
import fnmatch
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("include", "plugins", "sandbox", "services", "demo", "bench")

MODULE_LINES = 300
TEST_LINES = 500
DAG_LINES = 60
FUNCTION_LINES = 40

# Written in two pieces, so that this file keeps its own rules.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w./-])/(?:wo" r"rk|ro" r"ot|ho" r"me/[a-z]+|Us" r"ers/[A-Za-z]+)(?:/|\b)",
    "a package registry": r"py" r"pi\.org|pythonho" r"sted|npm" r"js\.|crates\." r"io",
    "something left to do": r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
    "a test that may not run": r"mark\.sk" r"ip|pytest\.sk" r"ip|importor" r"skip|mark\.xf" r"ail|unittest\.sk" r"ip",
    "a mock": r"unittest[. ]+(?:import +)?mo" r"ck|\bMagicMo" r"ck\b|\bmock" r"er\b",
}

_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def files(*suffixes: str, below: str = "") -> list[Path]:
    """The repository's files, without what .gitignore names."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    return sorted(path for path in _walk(ROOT / below, ignored) if not suffixes or path.suffix in suffixes)


def _walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == ".git" or any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _walk(path, ignored)
        else:
            yield path


def forbidden(text: str) -> list[str]:
    """What the text holds that no file of this repository may hold."""
    return [
        f"line {number}: {what}: {match[0]!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if (match := re.search(pattern, line))
    ]


def too_long(source: str, limit: int) -> list[str]:
    """How many lines a file has, when that is the limit or more."""
    length = len(source.splitlines())
    return [f"{length} lines"] if length >= limit else []


def long_functions(source: str, limit: int = FUNCTION_LINES) -> list[str]:
    """Functions whose body has more lines than the limit; signature and docstring are a contract and not counted."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"line {error.lineno} is no Python: {error.msg}"]
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = [(node.name, _body_lines(node)) for node in found]
    return [f"{name} has {length} lines" for name, length in lengths if length > limit]


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def unhashed(lock: str) -> list[str]:
    """Requirements of a lock that are not pinned to one version with hashes."""
    requirements = [block for block in re.split(r"\n(?=\S)", lock) if re.match(r"[A-Za-z0-9]", block)]
    pinned = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]+\])?==\S+(?: ;[^\\]*)? \\\n +--hash=sha256:[0-9a-f]{64}")
    return [block.splitlines()[0] for block in requirements if not pinned.match(block)]


def links(markdown: str) -> list[str]:
    """Targets of the links in a text; code is not looked at."""
    return _LINK.findall(_INLINE.sub("", _FENCED.sub("", markdown)))


def anchors(markdown: str) -> set[str]:
    """Names that links can lead to, one a heading."""
    headings = _HEADING.findall(_FENCED.sub("", markdown))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Links of a page that lead to no file or no heading of this repository."""
    broken = []
    for target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target or "$" in target:  # elsewhere, or to be filled in when the page is shown
            continue
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


def commands(markdown: str, program: str) -> set[str]:
    """What a text tells people to call: `make demo` gives "demo", `vectorizer-backup store init URL` "store init"."""
    code = "\n".join([*_FENCED.findall(markdown), *_INLINE.findall(markdown)])
    calls = re.findall(rf"(?:^|[\s;&|(]){re.escape(program)}((?: +[a-z][a-z-]*(?![\w/:=.*…]))*)", code, re.MULTILINE)
    return {" ".join(call.split()) for call in calls} - {""}


def defined_words(glossary: str) -> list[str]:
    """The words a glossary explains: what stands in bold at the start of a line."""
    bold = re.findall(r"^\*\*(.+?)\*\*", glossary, re.MULTILINE)
    return [word.strip() for words in bold for word in words.split(",")]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of ours and give what it said, whatever its exit code."""
    return subprocess.run(
        command, check=False, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=180
    )
