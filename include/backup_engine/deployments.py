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

from backup_engine.alerts.settings import CHANNEL_KINDS, AlertSettings
from backup_engine.deployment import Deployment

CONFIG_VARIABLE = "VECTORIZER_BACKUP_CONFIG"

ALERTS = "alerts"
"""The one key beside ``deployments`` at the top of the file: who is told."""

_KEY = "deployments"
_ENTRY = re.compile(r"(?P<indent>[ \t]*)[^\s#:-][^:]*:(?:\s|\Z)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the file says.

    :param problems: per entry, or under the file's own name, what is wrong with it
    :param alerts: who is told; None: the file does not say, or what it says is a problem
    """

    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    alerts: AlertSettings | None = None


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
    return _with_known_channels(_merged([_read_top(key, node, origin) for key, node in root.value]))


def _read_top(key: yaml.Node, node: yaml.Node, origin: str) -> Loaded:
    if key.value == ALERTS:
        return _read_alerts(node)
    if key.value != _KEY:
        return Loaded(problems={str(key.value): f"it stands at the top; indent it, so that it stands below `{_KEY}:`"})
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return Loaded(problems={origin: f"`{_KEY}:` names no deployment: nothing would be backed up"})
    return _merged([_read_entry(name, body) for name, body in node.value])


def _read_alerts(node: yaml.Node) -> Loaded:
    try:
        return Loaded(alerts=AlertSettings.model_validate(_StrictLoader.construct(node)))
    except yaml.YAMLError as error:
        return Loaded(problems={ALERTS: _said(error)})
    except ValidationError as error:
        return Loaded(problems={ALERTS: "; ".join(_explained(detail, AlertSettings) for detail in error.errors())})


def _with_known_channels(loaded: Loaded) -> Loaded:
    """Make it a deployment's problem now that it names a channel nobody knows: it would fall silent later."""
    known = loaded.alerts.channels if loaded.alerts else {}
    problems = dict(loaded.problems)
    for name, deployment in loaded.deployments.items():
        strange = sorted(set(deployment.alerts or ()) - set(known))
        if strange and ALERTS not in problems:
            there = ", ".join(sorted(known)) or "none"
            problems[name] = f"alerts: no channel is called {', '.join(map(repr, strange))}; there are: {there}"
    valid = {name: one for name, one in loaded.deployments.items() if name not in problems}
    return Loaded(valid, problems, loaded.alerts)


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
            found.extend(
                _read_alerts(value) if key.value == ALERTS else _read_entry(key, value) for key, value in node.value
            )
    result = _merged(found)
    return result if result.problems else Loaded(result.deployments, broken.problems, result.alerts)


def _blocks(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Cut before each key of the first column, and below the top key before each entry; give pieces with their line."""
    if not any(line.startswith(f"{_KEY}:") for line in lines):
        return
    tops = [number for number, depth in _keys(lines, 0, len(lines)) if depth == 0]
    for start, end in pairwise([*tops, len(lines)]):
        if not lines[start].startswith(f"{_KEY}:"):
            yield start, "".join(lines[start:end])
            continue
        found = [*_keys(lines, start + 1, end)]
        entries = [number for number, depth in found if depth <= found[0][1]]
        for first, after in pairwise([*entries, end]):
            yield first, "".join(lines[first:after])


def _keys(lines: list[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Find the lines that begin with a key, and how far to the right."""
    for number in range(start, end):
        if match := _ENTRY.match(lines[number]):
            yield number, len(match["indent"])


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
    alerts: AlertSettings | None = None
    for part in parts:
        alerts = part.alerts or alerts
        for name in {*part.deployments, *part.problems} & {*deployments, *problems}:
            problems[name] = "this name stands twice; which of the two is meant cannot be known"
        deployments.update(part.deployments)
        problems.update({name: text for name, text in part.problems.items() if name not in problems})
    return Loaded({name: one for name, one in deployments.items() if name not in problems}, problems, alerts)


def _explained(detail: ErrorDetails, model: type[BaseModel] = Deployment) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{where} is not known{_meant(str(detail['loc'][-1]), _model_at(detail['loc'][:-1], model))}"
    if where == "name":
        return "a deployment's name is made of a-z, 0-9 and '-', starts with a letter or digit, and has at most 40"
    # Other values are not repeated: a password in an address would stand in logs and on the import error page.
    found = f", found {detail['input']!r}" if detail["type"] == "enum" else ""
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}{found}"


def _model_at(path: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        known = model.model_fields.get(str(part))
        annotation = known.annotation if known else CHANNEL_KINDS.get(str(part))
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else model
    return model


def _meant(word: str, model: type[BaseModel]) -> str:
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
