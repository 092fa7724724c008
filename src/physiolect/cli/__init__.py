"""The command `physiolect`: a table of verbs, and the way to the one that is asked for.

The table answers `--help`; a verb's command, and all it needs, is imported only when it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from physiolect import __version__
from physiolect.cli.messages import own_warnings_as_notes, report
from physiolect.errors import ConfigError, closest

VERBS: dict[str, str] = {
    "demo": "watch a small transformer learn ECG on this computer, from nothing to a report",
    "inspect": "show what a recording, store, tokenizer or checkpoint holds",
    "view": "draw an ECG on paper, true to scale: 3x4, 6x2, 12x1 or a strip",
    "download": "fetch an open dataset from PhysioNet, whole or in part",
    "prepare": "turn recordings into a store to train on",
    "questions": "write questions about recordings with their answers, read or made from labels",
    "tokenize train": "find ECG-Byte's tokens in a store of ECGs",
    "tokenize encode": "turn a recording or a store into tokens",
    "tokenize inspect": "show what a tokenizer's tokens are, and what they make of a store",
    "tokenize track": "draw which token covers which stretch of a recording",
    "pretrain": "train a model on a store to continue signals",
    "finetune": "teach a checkpoint rhythms, beats, classes, numbers or movement from labels",
    "generate": "continue a recording with a checkpoint",
    "detect": "find rhythm, beats and their classes, or decide while numbers come in",
    "decode": "decode force or movement from neural signals, whole or line by line",
    "translate": "write the sequence of symbols that a window stands for: words, phonemes, beats",
    "evaluate": "measure a checkpoint on a store, with intervals by patient and baselines",
    "explain": "show what a model looks at in a recording, and how far to trust the picture",
    "export": "write a recording, or a folder of them, in another format",
    "convert": "turn published weights into a checkpoint, and back",
}
"""Verb -> what it does in one line; `physiolect.commands` holds a module for each, "a b" being a/b.py."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 is success, 2 a mistake in the command line or the settings, 1 any other error, 130 Ctrl-C.

    Args:
        argv: The words after `physiolect`; those of this process where None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal without a character is no reason to fail
        sys.stdout.reconfigure(errors="replace")
    with own_warnings_as_notes(everybody=debug):
        try:
            code = _dispatch([word for word in words if word != "--debug"])
            sys.stdout.flush()
            return code
        except (Exception, KeyboardInterrupt) as error:
            return report(error, debug=debug)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"physiolect {__version__}")
        return 0
    verb, rest = _verb(words)
    if not verb:
        print(_overview(words[0]))
        return 0
    # threads that wait should sleep: spinning, they stall small models wherever other work runs beside them
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = import_module(f"physiolect.commands.{verb.replace(' ', '.')}")
    from physiolect.cli.options import Grammar

    grammar = Grammar(verb, command.Config)
    if grammar.asks_for_help(rest):
        print(grammar.help(VERBS[verb], example=getattr(command, "EXAMPLE", "")))
        return 0
    return command.run(grammar.parse(rest)) or 0


def _verb(words: list[str]) -> tuple[str, list[str]]:
    """Return the verb and what follows it; no verb where help is asked for several that begin alike."""
    for n in (2, 1):
        if " ".join(words[:n]) in VERBS:
            return " ".join(words[:n]), words[n:]
    first = words[0]
    if first.startswith("-"):
        raise ConfigError(
            f"there is no option '{first}' before a verb", hint="physiolect VERB INPUT --option"
        )
    family = [verb for verb in VERBS if verb.startswith(f"{first} ")]
    if family and words[1:2] in ([], ["--help"], ["-h"]):
        return "", []
    given = " ".join(words[:2]) if family else first
    near = closest(given, family or VERBS)
    raise ConfigError(
        f"there is no verb '{given}'",
        hint=f"did you mean 'physiolect {near}'?" if near else f"the verbs are: {', '.join(family or VERBS)}",
    )


def _overview(first: str = "") -> str:
    """Return the page of all verbs, or of those whose first word is given."""
    verbs = {verb: text for verb, text in VERBS.items() if not first or verb.startswith(f"{first} ")}
    width = max(map(len, verbs))
    return "\n".join(
        [
            "Transformers that read and continue physiological signals.",
            "",
            f"usage: physiolect {first + ' ' if first else ''}VERB INPUT [--option value ...]",
            "",
            *(f"  {verb:{width}}  {summary}" for verb, summary in verbs.items()),
            "",
            "  physiolect VERB --help   the options of a verb",
            "  physiolect --version     the version",
            "  --debug                  with any verb: show the whole traceback of an error",
        ]
    )
