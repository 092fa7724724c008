from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect import config
from physiolect.errors import ConfigError


@dataclass(frozen=True)
class Model:
    width: int = 64
    attention: Literal["full", "banded"] = "full"


@dataclass(frozen=True)
class Settings:
    name: str
    rate: float = 3e-4
    steps: int = 100
    tied: bool = False
    seed: int | None = None
    channels: tuple[str, ...] = ("II", "V5")
    band: tuple[float | None, float | None] | None = None
    sizes: list[int] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    model: Model = field(default_factory=lambda: Model(width=128))
    extra: Model | None = None


@dataclass(frozen=True)
class Window:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(f"window {self.low} to {self.high} is no range")


@dataclass(frozen=True)
class Outer:
    window: Window
    count: int


finite = st.floats(allow_nan=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
models = st.builds(Model, width=st.integers(), attention=st.sampled_from(["full", "banded"]))
everything = st.builds(
    Settings,
    name=text,
    rate=finite,
    steps=st.integers(),
    tied=st.booleans(),
    seed=st.none() | st.integers(),
    channels=st.lists(text, max_size=3).map(tuple),
    band=st.none() | st.tuples(st.none() | finite, st.none() | finite),
    sizes=st.lists(st.integers(), max_size=3),
    weights=st.dictionaries(text, finite, max_size=3),
    model=models,
    extra=st.none() | models,
)


@given(everything)
@settings(max_examples=80, deadline=None)
def test_what_is_dumped_is_loaded_equal(tmp_path_factory, settings_):
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    config.dump(settings_, path)
    assert config.load(Settings, path) == settings_


def test_dump_is_readable_stable_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "config.yaml"
    for _ in range(2):
        config.dump(Settings("a", band=(0.5, None), weights={"b": 1.0}), path)
        assert path.read_text() == (
            "name: a\nrate: 0.0003\nsteps: 100\ntied: false\nseed: null\nchannels: [II, V5]\n"
            "band: [0.5, null]\nsizes: []\nweights:\n  b: 1.0\n"
            "model:\n  width: 128\n  attention: full\nextra: null\n"
        )
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_dump_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    config.dump(Model(1), path)
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        config.dump(Model(2), path)
    assert config.load(Model, path) == Model(1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("written", ["3e-4", "3E-4", "3.0e-4", "+3e-4", ".3e-3", "0.0003"])
def test_a_float_may_be_written_as_yaml_would_not_read_it(tmp_path, written):
    path = tmp_path / "x.yaml"
    path.write_text(f"name: a\nrate: {written}\nseed: null\n")
    assert config.load(Settings, path).rate == 3e-4


def test_whole_numbers_are_floats_and_lists_are_tuples():
    made = config.from_dict(Settings, {"name": "a", "rate": 1, "channels": ["I"], "band": [1, None]})
    assert (made.rate, type(made.rate), made.channels, made.band) == (1.0, float, ("I",), (1.0, None))


def test_a_nested_mapping_changes_only_what_it_names_of_the_default():
    assert config.from_dict(Settings, {"name": "a", "model": {"attention": "banded"}}).model == Model(
        128, "banded"
    )
    assert config.from_dict(Settings, {"name": "a", "extra": {}}).extra == Model()


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        config.from_dict(
            Settings,
            {
                "rat": 1,
                "steps": 1.5,
                "tied": "yes",
                "model": {"width": True, "atention": "full"},
                "sizes": [1, "x"],
            },
            "run.yaml",
        )
    assert str(caught.value).splitlines() == [
        "run.yaml: 7 problems",
        "  - there is no setting 'rat' (did you mean 'rate'?)",
        "  - steps is 1.5, but must be a whole number",
        "  - tied is 'yes', but must be true or false",
        "  - model.width is True, but must be a whole number",
        "  - there is no setting 'model.atention' (did you mean 'attention'?)",
        "  - sizes[1] is 'x', but must be a whole number",
        "  - name is missing",
    ]
    assert caught.value.hint.startswith("the settings are: name, rate, steps")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", "x", "seed is 'x', but must be a whole number or null"),
        ("rate", True, "rate is True, but must be a number"),
        ("rate", 10**400, f"rate is {reprlib.repr(10**400)}, but must be a number"),
        ("rate", "fast", "rate is 'fast', but must be a number"),
        ("name", 3, "name is 3, but must be text"),
        ("channels", "II", "channels is 'II', but must be a list, each text"),
        ("band", [1, 2, 3], "band is [1, 2, 3], but must be a list of 2: a number or null, a number or null"),
        ("band", [1, "x"], r"band[1] is 'x', but must be a number or null"),
        ("weights", {"a": "x"}, "weights['a'] is 'x', but must be a number"),
        ("model", {"attention": "half"}, "model.attention is 'half', but must be one of full, banded"),
        ("model", 3, "model is 3, but must be a mapping"),
        ("extra", {"width": "x"}, "extra.width is 'x', but must be a whole number"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(key, value, expected):
    with pytest.raises(ConfigError) as caught:
        config.from_dict(Settings, {"name": "a", key: value})
    assert str(caught.value) == f"the settings: {expected}"


def test_what_a_dataclass_checks_itself_is_told_with_the_rest():
    with pytest.raises(ConfigError) as caught:
        config.from_dict(Outer, {"window": {"low": 3, "high": 1}, "count": "x"})
    assert str(caught.value).splitlines()[1:] == [
        "  - window 3 to 1 is no range",
        "  - count is 'x', but must be a whole number",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1", "is not YAML in line 1"),
        (b"\xff\xfe\x00\x80", "is not YAML"),
        (b"- 1\n- 2\n", r"holds \[1, 2\], not settings"),
        (b"a: 2024-99-99\n", "is not YAML"),
        (b"[" * 5000, "is not YAML"),
        (b"a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content, expected):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        config.read_yaml(path)
    assert caught.value.hint


def test_an_empty_file_holds_no_settings_and_a_missing_one_is_refused(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert config.load(Model, tmp_path / "empty.yaml") == Model()
    with pytest.raises(ConfigError, match="cannot be read: no such file"):
        config.load(Model, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        config.load(Model, tmp_path)


@given(
    st.dictionaries(
        st.sampled_from(["name", "rate", "seed", "band", "weights", "model", "channels", "other"])
        | st.integers(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | finite | text,
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(text | st.integers(), inner, max_size=3)
            ),
            max_leaves=6,
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_any_mapping_is_built_or_refused(mapping):
    try:
        made = config.from_dict(Settings, mapping)
    except ConfigError:
        return
    assert config.from_dict(Settings, config.to_dict(made)) == made


def test_merge_goes_into_mappings_and_replaces_all_else():
    base = {"a": {"x": 1, "y": 2}, "b": [1], "c": 1}
    assert config.merge(base, {"a": {"y": 3}, "b": [2], "c": {"z": 1}}) == {
        "a": {"x": 1, "y": 3},
        "b": [2],
        "c": {"z": 1},
    }
    assert base["a"] == {"x": 1, "y": 2}


def test_a_plain_mapping_is_written_in_its_own_order(tmp_path):
    written = {"z": (1, 2), "a": {"model": Model(), "keys": [{"from": "x", "to": "y"}]}}
    config.dump(written, tmp_path / "run.yaml")
    read = config.read_yaml(tmp_path / "run.yaml")
    assert list(read) == ["z", "a"]
    assert read == {"z": [1, 2], "a": {"model": config.to_dict(Model()), "keys": [{"from": "x", "to": "y"}]}}
