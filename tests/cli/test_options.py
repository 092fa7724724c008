import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physiolect.errors import ConfigError

HINT = "hint: 'physiolect speak --help' lists every option\n"


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("", "inputs", ["a", "b"]),
        ("", "rate", 3e-4),
        ("", "greedy", False),
        ("--top-k 5", "top_k", 5),
        ("--top-k=5", "top_k", 5),
        ("--top-k 5 --top-k none", "top_k", None),
        ("--rate 1", "rate", 1.0),
        ("--rate 1e-3", "rate", 1e-3),
        ("--greedy", "greedy", True),
        ("--greedy --no-greedy", "greedy", False),
        ("--mode hop", "mode", "hop"),
        ("--channels II V5", "channels", ("II", "V5")),
        ("--channels 0", "channels", ("0",)),
        ("--channels none", "channels", None),
        ("--fails yes", "fails", "yes"),
        ("--fails=-x", "fails", "-x"),
        ("--out 007", "out", "007"),
    ],
)
def test_words_become_the_types_of_the_fields(parse, words, field, value):
    config = parse("a", "b", "--out", "o", *words.split())
    assert getattr(config, field) == value
    assert type(getattr(config, field)) is type(value)


def test_nested_settings_are_dotted_and_keep_the_default_of_the_field(parse):
    config = parse("a", "--out", "o", "--no-model.tied")
    assert (config.model.width, config.model.tied) == (16, False)
    assert parse("a", "--out", "o", "--model.width", "3").model.width == 3


@pytest.mark.parametrize(
    "words", ["a b --out o", "--out o a b", "a --out o b", "--greedy a --out o b", "--out o -- a b"]
)
def test_positionals_may_stand_anywhere(parse, words):
    assert parse(*words.split()).inputs == ["a", "b"]


def test_after_two_dashes_all_is_positional(parse):
    assert parse("--out", "o", "--", "--greedy", "-1").inputs == ["--greedy", "-1"]


def test_options_override_the_yaml_file(parse, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "inputs: [c]\nout: o\ntop_k: 3\nrate: 1e-3\ntable: {a: 1}\nmodel: {width: 2, tied: false}\n"
    )
    config = parse("--config", str(path), "--top-k", "4", "--model.width", "5")
    assert (config.inputs, config.top_k, config.rate, config.table) == (["c"], 4, 1e-3, {"a": 1})
    assert (config.model.width, config.model.tied) == (5, False)
    assert parse("d", "--config", str(path)).inputs == ["d"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "2 problems\n  - INPUTS is missing\n  - --out is missing"),
        ("a --out o --topk 3", "there is no option '--topk' (did you mean '--top-k'?)"),
        ("a --out o --topk=3", "there is no option '--topk' (did you mean '--top-k'?)"),
        ("a --output o", "there is no option '--output' (did you mean '--out'?)"),
        ("a --out o --model.wdith 3", "there is no option '--model.wdith' (did you mean '--model.width'?)"),
        ("a --out o -k 3", "there is no option '-k'"),
        ("a --zzz --gredy", "2 problems\n  - there is no option '--zzz'\n"
         "  - there is no option '--gredy' (did you mean '--greedy'?)"),
        ("a --out o --top-k x", "--top-k is 'x', but must be a whole number or null"),
        ("a --out o --mode hopp", "--mode is 'hopp', but must be one of exact, hop"),
        ("a --out o --model.width 1.5", "--model.width is '1.5', but must be a whole number"),
        ("a --out o --top-k 0 --rate -1",
         "2 problems\n  - top_k is 0, but must be at least 1\n  - rate is -1.0, but must be above 0"),
        ("a --rate x --top-k y", "3 problems\n  - --rate is 'x', but must be a number\n"
         "  - --top-k is 'y', but must be a whole number or null\n  - --out is missing"),
    ],
)  # fmt: skip
def test_every_complaint_is_ours_and_told_before_any_work(speak, words, problem):
    assert speak(*words.split()) == (2, "", f"error: physiolect speak: {problem}\n{HINT}")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("a --out", "--out expected one argument"),
        ("a --out --greedy", "--out expected one argument"),
        ("a --out o --channels", "--channels expected at least one argument"),
        ("a --out o --greedy=yes", "--greedy: ignored explicit argument 'yes'"),
    ],
)
def test_what_argparse_complains_of_is_told_our_way(speak, words, error):
    usage = "physiolect speak INPUTS ... --out OUT [--option value ...]"
    assert speak(*words.split()) == (2, "", f"error: {error}\nhint: usage: {usage}\n")


def test_a_wrong_yaml_file_is_told_with_all_that_is_wrong(speak, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("outt: o\nmodel: {width: x}\n")
    code, out, err = speak("a", "--config", str(path))
    assert (code, out) == (2, "")
    assert err == (
        f"error: physiolect speak with {path}: 3 problems\n  - there is no setting 'outt' (did you mean 'out'?)\n"
        f"  - --model.width is 'x', but must be a whole number\n  - --out is missing\n{HINT}"
    )
    assert "cannot be read" in speak("a", "--out", "o", "--config", "nowhere.yaml")[2]


def test_help_shows_every_setting_with_its_docstring_and_default(speak, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = speak("--help")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "usage: physiolect speak INPUTS ... --out OUT [--option value ...]",
        "Speak words of a recording.",
        "input:",
        "INPUTS What to speak.",
        "--out OUT Folder for the words.",
        "--top-k N Draw from the k likeliest.",
        "--rate X Learning rate. (default: 0.0003)",
        "--mode exact|hop How to go on. (default: exact)",
        "--seed N Seed of the draws. (default: 0)",
        "--greedy Take the likeliest.",
        "The model:",
        "--model.tied, --no-model.tied",
        "Share the embedding. (default: yes)",
        "--model.width N Width of the trunk, 100 % of it. (default: 16)",
        "example: physiolect speak a.csv --out words",
    ):
        assert line in lines
    assert lines.index("required:") < lines.index("options:") < lines.index("The model:")
    assert "table" not in out


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["--out", "--rate", "--greedy", "--channels", "--config", "--", "-1", "--model.width", "--no-model.tied"]
), max_size=6))  # fmt: skip
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_are_parsed_or_refused(parse, words):
    with contextlib.suppress(ConfigError):
        parse(*words)


def test_where_one_option_is_missing_the_hint_says_what_it_takes(speak):
    hint = "hint: give --out: folder for the words; 'physiolect speak --help' lists every option\n"
    assert speak("a") == (2, "", f"error: physiolect speak: --out is missing\n{hint}")
