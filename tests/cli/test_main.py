import os
import subprocess
import sys
import time

import pytest

from physiolect import __version__, cli

HEAVY = (
    "numpy",
    "torch",
    "jsonargparse",
    "argparse",
    "yaml",
    "rich",
    "physiolect.commands",
    "physiolect.config",
)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb_on_stdout(words, capsys):
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert all(f"  {verb} " in out and summary in out for verb, summary in cli.VERBS.items())
    assert err == ""


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"physiolect {__version__}\n"


@pytest.mark.parametrize("word", ["--help", "--version", "genrate"])
def test_the_table_answers_without_importing_what_is_heavy(word):
    done = run(
        "import sys, time; start = time.perf_counter()\n"
        f"from physiolect.cli import main; main([{word!r}])\n"
        "print(time.perf_counter() - start)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    seconds, imported = done.stdout.splitlines()[-2:]
    assert imported == "[]"
    assert float(seconds) < 0.3


@pytest.mark.parametrize("verb", ["inspect", "prepare", "generate", "convert"])
def test_help_of_a_verb_imports_nothing_but_its_settings(verb):
    done = run(
        f"import sys; from physiolect.cli import main; main([{verb!r}, '--help'])\n"
        "print(sorted(name for name in sys.modules if name in ('torch', 'scipy', 'rich', 'pyarrow') or "
        "name.removeprefix('physiolect.') in ('contract', 'datasets', 'formats', 'checkpoint', 'generation')))"
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_help_of_the_whole_process_is_fast():
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "physiolect", "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["genrate", "x"], "there is no verb 'genrate'", "did you mean 'physiolect generate'?"),
        (["PREPARE"], "there is no verb 'PREPARE'", "did you mean 'physiolect prepare'?"),
        (["zzz"], "there is no verb 'zzz'", f"the verbs are: {', '.join(cli.VERBS)}"),
        (["--out", "x"], "there is no option '--out' before a verb", "physiolect VERB INPUT --option"),
    ],
)
def test_a_mistyped_verb_is_told_with_a_suggestion(words, error, hint, capsys):
    assert cli.main(words) == 2
    assert capsys.readouterr() == ("", f"error: {error}\nhint: {hint}\n")


def test_every_verb_of_the_table_has_a_short_summary_in_lower_case():
    assert all(0 < len(summary) < 80 and summary[0].islower() for summary in cli.VERBS.values())


def test_success_is_0_and_the_commands_own_code_is_passed_on(speak):
    assert speak("a", "--out", "b")[0] == 0
    assert speak("a", "--out", "b", "--fails", "code")[0] == 7


@pytest.mark.parametrize(
    ("fails", "code", "error", "hint"),
    [
        ("format", 1, "the file is empty", "name another"),
        ("bare", 1, "the file is empty", "run with --help for what is possible"),
        ("interrupt", 130, "interrupted by Ctrl-C", "run the same command again"),
        ("missing", 1, "'nowhere.csv' does not exist", "check the path"),
        ("folder", 1, "'.' is a folder, but a file is needed", "name a file in it"),
        ("full", 1, "the disk is full, writing 'x.arrow'", "free some space and run the same command again"),
        ("odd", 1, "input/output error: 'x.arrow'", "check the path and the disk"),
        ("memory", 1, "there is not enough memory", "use a smaller input, batch or number of workers"),
        ("tensor", 1, "there is not enough memory", "use a smaller input, batch or number of workers"),
        (
            "bug",
            1,
            "unexpected TypeError: unsupported operand type(s) for +: 'int' and 'str'",
            "this is a fault of ours: run again with --debug and report what it prints",
        ),
    ],
)
def test_every_error_is_a_sentence_and_a_hint(speak, fails, code, error, hint):
    assert speak("nowhere.csv", "--out", "b", "--fails", fails) == (
        code,
        "",
        f"error: {error}\nhint: {hint}\n",
    )


@pytest.mark.parametrize("place", [0, 1, 3])
def test_debug_anywhere_shows_the_traceback(speak, place):
    words = ["a", "--out", "b", "--fails", "bug"]
    words.insert(place, "--debug")
    code, _, err = speak(*words)
    assert code == 1
    assert "Traceback" in err
    assert "error: unexpected TypeError" in err


def test_no_traceback_of_a_users_mistake_unless_asked_for(speak):
    assert "Traceback" not in speak("a", "--fails", "bug")[2]
    assert "Traceback" in speak("a", "--fails", "bug", "--debug")[2]


@pytest.mark.filterwarnings("always")
def test_our_warnings_are_notes_and_those_of_others_are_not_shown(speak, monkeypatch, home):
    monkeypatch.setattr("physiolect.cli.messages._PACKAGE", str(home))
    assert speak("a", "--out", "b", "--fails", "warn")[2] == "note: the filter rings\n"
    assert "note: noise of another" in speak("a", "--out", "b", "--fails", "warn", "--debug")[2]


SPEAK = (
    "import sys; from physiolect import cli, commands; commands.__path__.append({home!r})\n"
    "cli.VERBS['speak'] = 'speak'\nsys.exit(cli.main(['speak', 'a', '--out', 'b', '--fails', {fails!r}]))"
)


def test_letters_that_the_terminal_lacks_are_no_error(home):
    done = run(SPEAK.format(home=str(home), fails="letters"), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("? done\n")


def test_a_reader_that_stops_reading_is_no_error(home):
    code = SPEAK.format(home=str(home), fails="pipe")
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -c "$1" | head -n 1', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout == "a line that nobody reads\n"


def test_the_process_exits_with_the_code():
    done = run("import sys; sys.argv = ['physiolect', 'nothing']; import physiolect.__main__")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no verb 'nothing'\nhint: ")


@pytest.mark.parametrize("words", [["tokenize"], ["tokenize", "--help"]])
def test_verbs_that_begin_alike_are_listed_together(words, capsys):
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert all((f"  {verb} " in out) == verb.startswith("tokenize ") for verb in cli.VERBS)


def test_a_slip_in_the_second_word_is_told(capsys):
    assert cli.main(["tokenize", "trian", "store"]) == 2
    assert (
        "there is no verb 'tokenize trian'\nhint: did you mean 'physiolect tokenize train'?"
        in capsys.readouterr().err
    )


def test_help_of_a_verb_of_two_words(capsys):
    assert cli.main(["tokenize", "train", "--help"]) == 0
    assert "usage: physiolect tokenize train STORE --out OUT" in capsys.readouterr().out
