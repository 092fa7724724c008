"""Settings as frozen dataclasses: checked out of plain mappings, kept as YAML."""

from __future__ import annotations

import dataclasses
import os
import re
import reprlib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from physiolect.errors import ConfigError, closest
from physiolect.files import check_regular, replacing

if TYPE_CHECKING:
    import yaml

T = TypeVar("T")

_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""Numbers such as 3e-4, which YAML 1.1 takes for text."""
_MOST_BYTES, _MOST_VALUES, _LONGEST_NUMBER = 8 << 20, 10**6, 400
"""Of a YAML file, its aliases counted each time they are used."""
_TEXT_TAG = "tag:yaml.org,2002:str"
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


def to_dict(obj: Any) -> dict[str, Any]:
    """Return a dataclass as nested mappings, lists and scalars, in the order of its fields."""
    return {f.name: plain(getattr(obj, f.name)) for f in dataclasses.fields(obj) if f.init}


def from_dict(
    cls: type[T],
    mapping: Mapping[str, Any],
    where: str = "the settings",
    *,
    spell: Callable[[str], str] = str,
) -> T:
    """Build a dataclass from a mapping whose every key and type is checked.

    A nested mapping changes only the keys it names of the field's default.

    Args:
        cls: A dataclass of numbers, text, booleans, literals, lists, tuples, mappings and dataclasses.
        mapping: Values by field name.
        where: Where the mapping comes from, for the message.
        spell: Turns a dotted field name into what the user wrote it as.

    Raises:
        ConfigError: keys are unknown or missing, or values of the wrong type; all are named at once.
    """
    problems: list[str] = []
    built = _dataclass(cls, mapping, "", problems, spell)
    if problems:
        names = ", ".join(spell(f.name) for f in dataclasses.fields(cls) if f.init)  # type: ignore[arg-type]
        refuse(problems, where, hint=f"the settings are: {names}")
    return built


def load(cls: type[T], path: str | os.PathLike[str]) -> T:
    """Read a dataclass from a YAML file.

    Raises:
        ConfigError: the file is missing, no YAML, or its settings are wrong; all are named at once.
    """
    return from_dict(cls, read_yaml(path), str(path))


def dump(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write a dataclass, or a mapping of plain values, as YAML in its own order.

    The file is complete or, if this is interrupted, as it was before.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes mappings one key a line, and lists of scalars on one."""

        def represent_sequence(
            self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None
        ) -> Any:
            items = list(sequence)
            nested = any(isinstance(item, list | dict) for item in items)
            return super().represent_sequence(tag, items, flow_style=not nested)

        def represent_str(self, data: str) -> Any:
            style = '"' if "\x85" in data else None  # single quotes would fold this line break into a space
            return self.represent_scalar(_TEXT_TAG, data, style)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, Dumper.represent_str)

    text = yaml.dump(
        plain(obj),
        Dumper=Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=100,
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the mapping a YAML file holds; an empty file holds none.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    import yaml

    path = Path(path)
    check_regular(path, ConfigError)
    try:
        content = _load_yaml(path)
    except ConfigError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"{path} cannot be read: {reason}", hint="name a YAML file of settings") from error
    except Exception as error:  # the parser of a hostile file raises nearly anything
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        text = getattr(error, "problem", None) or str(error).partition("\n")[0]
        reason = text if isinstance(error, yaml.YAMLError | ValueError) else f"{type(error).__name__}: {text}"
        raise ConfigError(
            f"{path} is not YAML{line}: {reason}", hint="write one `key: value` a line"
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds {reprlib.repr(content)}, not settings", hint="write one `key: value` a line"
        )
    return content


def _load_yaml(path: Path) -> Any:
    """Return what a YAML file holds, once what its aliases and merges come to was counted.

    Raises:
        ConfigError: it is too large, refers to itself, or a number in it is too long.
    """
    import yaml

    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ConfigError(
            f"{path} is larger than {_MOST_BYTES >> 20} MB", hint="name a YAML file of settings"
        )
    loader = yaml.SafeLoader(text.decode("utf-8-sig"))
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if problem := _bounds_problem(root):
            raise ConfigError(f"{path} {problem}", hint="write one `key: value` a line")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _bounds_problem(root: yaml.Node) -> str | None:
    """Return how nodes refer to themselves or come to too many values, in time linear in the nodes."""
    import yaml

    sizes: dict[int, int] = {}
    stack = [(root, False)]
    while stack:
        node, done = stack.pop()
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        elif node.tag != _TEXT_TAG and len(node.value) > _LONGEST_NUMBER:
            return f"has a number of {len(node.value)} characters in line {node.start_mark.line + 1}"
        if done:
            sizes[id(node)] = 1 + sum(sizes[id(each)] for each in children)
            if sizes[id(node)] > _MOST_VALUES:
                return f"holds more than {_MOST_VALUES:,} values"
        elif id(node) in sizes:
            if not sizes[id(node)]:
                return f"refers to itself: what begins in line {node.start_mark.line + 1} lies within itself"
        else:
            sizes[id(node)] = 0  # until all below it are counted
            stack.append((node, True))
            stack += [(each, False) for each in children]
    return None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the changes made; where both hold a mapping, inside it."""
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = (
            merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def refuse(problems: Sequence[str], where: str, *, hint: str | None = None) -> NoReturn:
    """Raise ConfigError that lists every problem, one a line where there are several."""
    if len(problems) == 1:
        raise ConfigError(f"{where}: {problems[0]}", hint=hint)
    listed = "".join(f"\n  - {problem}" for problem in problems)
    raise ConfigError(f"{where}: {len(problems)} problems{listed}", hint=hint)


def in_python(sentence: str) -> str:
    """Return a sentence of a verb with --options written as keywords of a call."""
    return re.sub(r"--([a-z][a-z-]*)", lambda match: match[1].replace("-", "_"), sentence)


def as_names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return several names as a tuple; a text alone is one name, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def variants(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union type, or the type itself alone."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def dataclass_in(kind: Any) -> type | None:
    """Return the dataclass that a type is or, as a union, admits; None where there is none."""
    return next((k for k in variants(kind) if isinstance(k, type) and dataclasses.is_dataclass(k)), None)


def plain(value: Any) -> Any:
    """Return a value as nested mappings, lists and scalars, as YAML holds it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def _dataclass(cls: Any, mapping: Any, path: str, problems: list[str], spell: Callable[[str], str]) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = get_type_hints(cls)
    before = len(problems)
    values = {}
    for key, value in mapping.items():
        field = fields.get(key)
        if field is None:
            near = closest(str(key), fields)
            suggestion = f" (did you mean '{near}'?)" if near else ""
            problems.append(f"there is no setting '{path}{key}'{suggestion}")
            continue
        default = _default(field)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(default):
            value = merge(to_dict(default), value)
        values[key] = _checked(hints[key], value, path + key, problems, spell)
    problems += [
        f"{spell(path + name)} is missing"
        for name, field in fields.items()
        if name not in mapping and _default(field) is dataclasses.MISSING
    ]
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except ConfigError as error:  # what the dataclass itself checks
        problems.append(str(error))
        return None


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _checked(kind: Any, value: Any, path: str, problems: list[str], spell: Callable[[str], str]) -> Any:
    """Return the value as the type says, or add what is wrong with it to `problems`."""
    members = variants(kind)
    if len(members) > 1:
        inner = next((m for m in members if _same_shape(m, value)), None)
        if inner is not None:
            return _checked(inner, value, path, problems, spell)
        for member in members:
            trial: list[str] = []
            converted = _checked(member, value, path, trial, spell)
            if not trial:
                return converted
    elif dataclass_in(kind) and isinstance(value, Mapping):
        return _dataclass(kind, value, f"{path}.", problems, spell)
    elif get_origin(kind) in (list, tuple) and isinstance(value, list | tuple):
        kinds = _item_kinds(kind, len(value))
        if len(kinds) == len(value):
            items = [
                _checked(k, v, f"{path}[{i}]", problems, spell)
                for i, (k, v) in enumerate(zip(kinds, value, strict=True))
            ]
            return get_origin(kind)(items)
    elif get_origin(kind) is dict and isinstance(value, Mapping):
        key_kind, item_kind = get_args(kind)
        return {
            _checked(key_kind, k, f"{path}: key {k!r}", problems, spell): _checked(
                item_kind, v, f"{path}[{k!r}]", problems, spell
            )
            for k, v in value.items()
        }
    elif get_origin(kind) is Literal:
        # True == 1 and hash alike, so the type is compared too
        if any(value == option and type(value) is type(option) for option in get_args(kind)):
            return value
    elif kind is Any or type(value) is kind:
        return value
    elif kind is float and (type(value) is int or (type(value) is str and _EXPONENT.fullmatch(value))):
        with suppress(OverflowError):  # a whole number beyond every float
            return float(value)
    problems.append(f"{spell(path)} is {reprlib.repr(value)}, but must be {_describe(kind)}")
    return None


def _same_shape(member: Any, value: Any) -> bool:
    """Tell whether a value is of the union's member at first sight, so that only its faults need telling."""
    if isinstance(value, Mapping):
        return dataclass_in(member) is not None or get_origin(member) is dict
    if isinstance(value, list | tuple):
        return get_origin(member) in (list, tuple)
    return type(value) is member


def _item_kinds(kind: Any, count: int) -> tuple[Any, ...]:
    """Return one type an item of a list, of a tuple of any length, or of a tuple of a fixed length."""
    kinds = get_args(kind)
    any_length = get_origin(kind) is list or (len(kinds) == 2 and kinds[1] is Ellipsis)
    return kinds[:1] * count if any_length else kinds


def _describe(kind: Any) -> str:
    if len(variants(kind)) > 1:
        return " or ".join(_describe(member) for member in variants(kind))
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in get_args(kind))
    if origin is list or (origin is tuple and get_args(kind)[-1] is Ellipsis):
        return f"a list, each {_describe(get_args(kind)[0])}"
    if origin is tuple:
        return f"a list of {len(get_args(kind))}: " + ", ".join(_describe(k) for k in get_args(kind))
    if origin is dict or dataclass_in(kind):
        return "a mapping"
    return _WORDS.get(kind, str(kind))
