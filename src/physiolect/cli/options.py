"""The words after a verb, read as its Config.

argparse splits the words and lays out the help; types, and all that is wrong with them, are `config`'s,
so that a setting means the same and fails alike in a YAML file and on the command line.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from physiolect.config import dataclass_in, from_dict, merge, read_yaml, refuse, variants
from physiolect.errors import ConfigError, closest

_MISSING = dataclasses.MISSING
_NONE = type(None)
_GENERAL = {
    "--config": "YAML file of settings; options override it",
    "--help": "show this page",
    "--debug": "show the whole traceback of an error",
}
_NUMBER = re.compile(r"-\.?\d")


class Grammar:
    """What may follow a verb: `physiolect VERB POSITIONAL... --option value`, out of its Config dataclass.

    The fields that Config.POSITIONAL names are positional, one of them at most a list; all others are
    options, those without a default required. `--config FILE` reads settings from YAML; options override it.
    `Config.complete(given)`, where there is one, may add to what was given before it is judged.
    """

    def __init__(self, verb: str, config: type) -> None:
        fields = list(_settings(config))
        self.verb = verb
        self.config = config
        names = getattr(config, "POSITIONAL", ())
        self.positionals = [next(s for s in fields if s.name == name) for name in names]
        self.options = [setting for setting in fields if setting.name not in names]

    @staticmethod
    def asks_for_help(words: Sequence[str]) -> bool:
        """Tell whether -h or --help stands among the words."""
        before_dashes = words[: words.index("--")] if "--" in words else words
        return "-h" in before_dashes or "--help" in before_dashes

    def parse(self, words: Sequence[str]) -> Any:
        """Return the Config that the words, and the file given by --config, describe.

        Raises:
            ConfigError: words or settings are wrong, or the Config lists `problems()`; all are named at once.
        """
        hint = f"'physiolect {self.verb} --help' lists every option"
        cut = words.index("--") if "--" in words else len(words)
        given, rest = self._parser().parse_known_args(words[:cut])
        unknown = [word for word in rest if word.startswith("-") and word != "-" and not _NUMBER.match(word)]
        if unknown:
            refuse([self._no_such_option(word) for word in unknown], self._where, hint=hint)
        values = self._assign([*rest, *words[cut + 1 :]], hint)
        chosen: dict[str, Any] = vars(given)
        path = chosen.pop("config", None)
        by_name = {option.name: option for option in self.options}
        for name, text in chosen.items():
            values = merge(values, _nested(name, by_name[name].value(text)))
        where = self._where
        if path is not None:
            values = merge(read_yaml(path), values)
            where = f"{where} with {path}"
        if hasattr(self.config, "complete"):
            values = self.config.complete(values)
        try:
            config: Any = from_dict(self.config, values, where, spell=self._spell)
        except ConfigError as error:
            raise ConfigError(str(error), hint=self._what_is_missing(str(error)) + hint) from error
        problems = config.problems() if hasattr(config, "problems") else []
        if problems:
            refuse(problems, where, hint=hint)
        return config

    def _what_is_missing(self, error: str) -> str:
        """Say what a required option takes, where nothing but that is missing."""
        for each in self.options:
            if each.help and error.endswith(f": {_option(each.name)} is missing"):
                return f"give {_option(each.name)}: {each.help[0].lower()}{each.help[1:].rstrip('.')}; "
        return ""

    def help(self, summary: str, *, example: str = "") -> str:
        """Return the page that `VERB --help` prints."""
        parser = self._parser(summary[0].upper() + summary[1:] + ".", self.positionals)
        parser.epilog = f"example: {example}" if example else None
        return parser.format_help().rstrip()

    @property
    def _where(self) -> str:
        return f"physiolect {self.verb}"

    def _spell(self, path: str) -> str:
        name = re.sub(r"\[.*", "", path)
        return name.upper() if any(name == p.name for p in self.positionals) else _option(name)

    def _usage(self) -> str:
        inputs = [s.name.upper() + (" ..." if s.is_list else "") for s in self.positionals]
        required = [f"{_option(s.name)} {s.metavar}" for s in self.options if s.required]
        return " ".join([self._where, *inputs, *required, "[--option value ...]"])

    def _no_such_option(self, word: str) -> str:
        option = word.partition("=")[0]
        near = closest(option, [*(_option(setting.name) for setting in self.options), *_GENERAL])
        return f"there is no option '{option}'" + (f" (did you mean '{near}'?)" if near else "")

    def _parser(self, description: str = "", inputs: Sequence[_Setting] = ()) -> argparse.ArgumentParser:
        """Return a parser of the options; positional words, given as `inputs`, are only for its help."""
        parser = _Parser(
            usage=self._usage(),
            description=description,
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30),
        )
        words = parser.add_argument_group("input")
        for setting in inputs:
            words.add_argument(setting.name, metavar=setting.name.upper(), nargs="?", help=setting.help)
        groups: dict[str, Any] = {}
        for setting in sorted(self.options, key=lambda s: (not s.required, s.group != "")):
            title = setting.group or ("required" if setting.required else "options")
            group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
            setting.add_to(group)
        general = parser.add_argument_group("general")
        for option, text in _GENERAL.items():
            value: dict[str, Any] = {"metavar": "FILE"} if option == "--config" else {"action": "store_true"}
            general.add_argument(option, help=text, **value)
        return parser

    def _assign(self, words: Sequence[str], hint: str) -> dict[str, Any]:
        """Give the words to the positional settings in their order; a list takes what the others leave."""
        left, spare = list(words), max(0, len(words) - len(self.positionals))
        values: dict[str, Any] = {}
        for setting in self.positionals:
            count = 1 + spare if setting.is_list else 1
            taken, left = left[:count], left[count:]
            if taken:
                values[setting.name] = setting.value(taken if setting.is_list else taken[0])
        if left:
            refuse([f"there is no place for '{word}'" for word in left], self._where, hint=hint)
        return values


_TWINS = {"channel": "channels", "channels": "channel"}
"""Options that are understood under either name."""


@dataclass(frozen=True)
class _Setting:
    """One field of a Config, or of a dataclass inside it, as the command line sees it."""

    name: str
    """Dotted path of field names."""
    kind: Any
    """Its type."""
    default: Any
    help: str
    group: str
    """Title of the group it is listed under; "" for the verb's own."""

    @property
    def required(self) -> bool:
        return self.default is _MISSING

    @property
    def is_list(self) -> bool:
        return any(get_origin(member) in (list, tuple) for member in variants(self.kind))

    @property
    def metavar(self) -> str:
        kinds = [kind for kind in variants(self.kind) if kind is not _NONE]
        if get_origin(kinds[0]) in (list, tuple):
            kinds = list(variants(get_args(kinds[0])[0]))
        if get_origin(kinds[0]) is Literal:
            return "|".join(str(option) for option in get_args(kinds[0]))
        return {int: "N", float: "X"}.get(kinds[0], self.name.rpartition(".")[2].upper().replace("_", "-"))

    def add_to(self, group: Any) -> None:
        """Add the option to a group of argparse, as text: what it means is `value`'s to say."""
        text = f"{self.help} {self._default_text()}".strip().replace("%", "%%")
        keywords: dict[str, Any] = {"dest": self.name, "help": text}
        if self.default is False:
            group.add_argument(_option(self.name), action="store_true", **keywords)
            keywords["help"] = argparse.SUPPRESS  # only a YAML file gives a reason to say no
            group.add_argument(_option(f"no-{self.name}"), action="store_false", **keywords)
        elif bool in variants(self.kind):
            group.add_argument(_option(self.name), action=argparse.BooleanOptionalAction, **keywords)
        else:
            keywords |= {"metavar": self.metavar, "nargs": "+" if self.is_list else None}
            twin = [f"--{_TWINS[self.name]}"] if self.name in _TWINS else []
            group.add_argument(_option(self.name), *twin, **keywords)

    def _default_text(self) -> str:
        if self.required or self.default is False or self.default in (None, "", (), []):
            return ""
        if self.default is True:
            return "(default: yes)"
        shown = self.default if isinstance(self.default, list | tuple) else (self.default,)
        return f"(default: {' '.join(map(str, shown))})"

    def value(self, given: Any) -> Any:
        """Return words as the type has them; what does not fit stays text, for `from_dict` to refuse."""
        if isinstance(given, bool):
            return given
        members = variants(self.kind)
        if isinstance(given, str):
            return _of_text(members, given)
        if _NONE in members and given in (["none"], ["null"]):
            return None
        kinds = get_args(next(m for m in members if get_origin(m) in (list, tuple)))
        fixed = Ellipsis not in kinds and len(kinds) == len(given)
        return [_of_text(variants(kinds[i] if fixed else kinds[0]), word) for i, word in enumerate(given)]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(
            re.sub(r"^(--[\w.-]+)/--[\w.-]+", r"\1", message.removeprefix("argument ")).replace(
                ": exp", " exp"
            ),
            hint=f"usage: {self.usage}",
        )


def _of_text(members: Sequence[Any], text: str) -> Any:
    if _NONE in members and text in ("none", "null"):
        return None
    for member in members:
        for option in get_args(member) if get_origin(member) is Literal else ():
            if text == str(option):
                return option
        if member in (int, float):
            try:
                return member(text)
            except ValueError:
                continue
    return text


def _settings(cls: type, prefix: str = "", group: str = "", instance: Any = None) -> Iterator[_Setting]:
    """Yield the settings of a dataclass and of those inside it, inherited ones last; mappings are for YAML alone."""
    hints, docs = get_type_hints(cls), _attribute_docstrings(cls)
    for field in _own_first(cls):
        if not field.init or any(get_origin(kind) is dict for kind in variants(hints[field.name])):
            continue
        default: Any = field.default if field.default_factory is _MISSING else field.default_factory()
        if instance is not None:
            default = getattr(instance, field.name)
        inner = dataclass_in(hints[field.name])
        if inner:
            inside = default if dataclasses.is_dataclass(default) else None
            title = docs.get(field.name) or field.name
            for setting in _settings(inner, f"{prefix}{field.name}.", title.rstrip("."), inside):
                # what lies in an optional dataclass is required only once that is given
                optional = setting.required and default is not _MISSING
                yield dataclasses.replace(setting, default=None) if optional else setting
        else:
            yield _Setting(prefix + field.name, hints[field.name], default, docs.get(field.name, ""), group)


def _own_first(cls: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass in order, those that it inherits last."""
    homes = [vars(base).get("__annotations__", {}) for base in cls.__mro__]
    return sorted(
        dataclasses.fields(cls), key=lambda field: [field.name in home for home in homes].index(True)
    )


def _attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the string that follows each field in the source of a class and of those it inherits from."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for field, following in pairwise(body):
            match field, following:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _nested(path: str, value: Any) -> dict[str, Any]:
    head, _, tail = path.partition(".")
    return {head: _nested(tail, value) if tail else value}
