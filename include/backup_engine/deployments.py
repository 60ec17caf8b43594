"""Read ``deployments.yaml``, entry by entry: one typo costs one deployment, visibly, and never the others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backup_engine.deployment import Deployment

CONFIG_VARIABLE = "VECTORIZER_BACKUP_CONFIG"

_KEY = "deployments"
_ENTRY = re.compile(r"(?P<indent>[ \t]*)[^\s#:-][^:]*:(?:\s|\Z)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the file says.

    :param problems: per entry, or under the file's own name, what is wrong with it
    """

    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def configuration_path(environment: Mapping[str, str]) -> Path:
    """Tell where the configuration is: where the environment says, else beside the engine, as in a checkout."""
    named = environment.get(CONFIG_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parent.parent / "deployments.yaml"


def load_deployments(path: Path) -> Loaded:
    """Read the file; what is wrong with it is a problem of the result, not an exception."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Loaded(problems={path.name: f"{path} cannot be read: {error}. {CONFIG_VARIABLE} can name another file."})
    return read_deployments(text, path.name)


def read_deployments(text: str, origin: str = "deployments.yaml") -> Loaded:
    """Read the configuration.

    A text that is no YAML as a whole is read entry by entry, so that a bracket left open in one entry does not take
    the others away.

    :param origin: what the file is called in messages
    """
    try:
        root = yaml.compose(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        return _read_blocks(text, Loaded(problems={origin: _said(error)}))
    if not isinstance(root, yaml.MappingNode) or _KEY not in [key.value for key, _ in root.value]:
        return Loaded(problems={origin: f"`{_KEY}:` was expected at the top, with the deployments below it"})
    return _merged([_read_top(key, node, origin) for key, node in root.value])


def _read_top(key: yaml.Node, node: yaml.Node, origin: str) -> Loaded:
    if key.value != _KEY:
        return Loaded(problems={str(key.value): f"it stands at the top; indent it, so that it stands below `{_KEY}:`"})
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return Loaded(problems={origin: f"`{_KEY}:` names no deployment: nothing would be backed up"})
    return _merged([_read_entry(name, body) for name, body in node.value])


def _read_blocks(text: str, broken: Loaded) -> Loaded:
    """Read each entry alone; whatever is wrong outside of them stays the whole file's problem."""
    found: list[Loaded] = []
    for first_line, block in _blocks(text.splitlines(keepends=True)):
        alone = "\n" * first_line + block
        try:
            node = yaml.compose(alone, Loader=_StrictLoader)
        except yaml.YAMLError as error:
            found.append(Loaded(problems={block.split(":")[0].strip(): _said(error)}))
            continue
        if isinstance(node, yaml.MappingNode):
            found.extend(_read_entry(key, value) for key, value in node.value)
    result = _merged(found)
    return result if result.problems else Loaded(result.deployments, broken.problems)


def _blocks(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Cut after the top key wherever a key stands as far left as the first entry; give each piece with its line."""
    top = next((number for number, line in enumerate(lines) if line.startswith(f"{_KEY}:")), len(lines))
    found = [(number, _ENTRY.match(line)) for number, line in enumerate(lines) if number > top]
    depths = [(number, len(match["indent"])) for number, match in found if match]
    starts = [number for number, depth in depths if depth <= depths[0][1]]
    for start, end in pairwise([*starts, len(lines)]):
        yield start, "".join(lines[start:end])


def _read_entry(key: yaml.Node, node: yaml.Node) -> Loaded:
    name = str(key.value)
    try:
        values = _StrictLoader.construct(node)
    except yaml.YAMLError as error:
        return Loaded(problems={name: _said(error)})
    if not isinstance(values, dict):
        return Loaded(problems={name: "tier, server and store were expected below it"})
    try:
        return Loaded({name: Deployment.model_validate({**values, "name": name})})
    except ValidationError as error:
        return Loaded(problems={name: "; ".join(_explained(detail) for detail in error.errors())})


def _merged(parts: Iterable[Loaded]) -> Loaded:
    deployments: dict[str, Deployment] = {}
    problems: dict[str, str] = {}
    for part in parts:
        for name in {*part.deployments, *part.problems} & {*deployments, *problems}:
            problems[name] = "this name stands twice; which of the two is meant cannot be known"
        deployments.update(part.deployments)
        problems.update({name: text for name, text in part.problems.items() if name not in problems})
    return Loaded({name: one for name, one in deployments.items() if name not in problems}, problems)


def _explained(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{where} is not known{_meant(str(detail['loc'][-1]), detail['loc'][:-1])}"
    if where == "name":
        return "a deployment's name is made of a-z, 0-9 and '-', starts with a letter or digit, and has at most 40"
    # Other values are not repeated: a password in an address would stand in logs and on the import error page.
    found = f", found {detail['input']!r}" if detail["type"] == "enum" else ""
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}{found}"


def _meant(word: str, path: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Deployment
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else model
    known = [name for name in model.model_fields if name != "name"]
    close = difflib.get_close_matches(word, known, n=1)
    return f": {close[0]!r} is meant?" if close else f"; known are {', '.join(known)}"


def _said(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"this is no YAML: {error}"
    return f"line {error.problem_mark.line + 1}: {error.problem}"


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key standing twice in one mapping, instead of forgetting the first."""

    @classmethod
    def construct(cls, node: yaml.Node) -> object:
        loader = cls("")
        try:
            return loader.construct_document(node)
        finally:
            loader.dispose()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
        return super().construct_mapping(node, deep)
