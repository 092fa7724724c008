import pickle
import traceback

import pytest

from physiolect.errors import ConfigError, PhysiolectError, check_option, closest, did_you_mean, require


def test_an_error_carries_its_hint_beside_its_sentence():
    error = PhysiolectError("the lead is missing", hint="name another")
    assert (str(error), error.hint) == ("the lead is missing", "name another")
    assert PhysiolectError("x").hint is None


def test_a_traceback_shows_the_hint_and_another_process_gets_it_too():
    error = pickle.loads(pickle.dumps(ConfigError("the lead is missing", hint="name another")))
    assert (str(error), error.hint) == ("the lead is missing", "name another")
    assert traceback.format_exception(error)[-1] == "hint: name another\n"


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("genrate", "generate"), ("GENERATE", "generate"), ("Prepar", "prepare"), ("xyz", None)],
)
def test_closest_finds_slips_of_letters_and_of_case(slip, meant):
    assert closest(slip, ["generate", "prepare"]) == meant


def test_did_you_mean_lists_what_is_allowed_where_nothing_is_close():
    assert did_you_mean("genrate", ["prepare", "generate"]) == "did you mean 'generate'?"
    assert did_you_mean("xyz", ["prepare", "generate"]) == "allowed: generate, prepare"


def test_check_option_refuses_what_is_not_listed():
    check_option("mode", "exact", ["exact", "hop"])
    with pytest.raises(ConfigError, match=r"mode is 'hopp', which is not one of exact, hop") as caught:
        check_option("mode", "hopp", ["exact", "hop"])
    assert caught.value.hint == "did you mean 'hop'?"


def test_a_missing_optional_package_names_the_extra_that_brings_it():
    assert require("json", extra="lm") is __import__("json")
    with pytest.raises(PhysiolectError, match="needs the package no_such_package") as caught:
        require("no_such_package", extra="lm")
    assert caught.value.hint == "pip install 'physiolect[lm]'"
