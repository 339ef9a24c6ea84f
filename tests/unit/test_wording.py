from __future__ import annotations

import pytest

from mintql.domain.errors import InvalidInput
from mintql.domain.wording import shown
from mintql.services.identity import EMAIL_LENGTH_MAX, check_email
from mintql.services.logins import check_credentials


def test_a_value_that_is_cut_keeps_its_quotes():
    assert shown("a" * 40) == f"'{'a' * 40}'"
    assert shown("a" * 41) == f"'{'a' * 40}…'"
    assert shown("it's\n") == '"it\'s\\n"'
    assert shown(12.5) == "12.5"
    assert shown([1] * 100).endswith("…")
    assert len(shown([1] * 100)) == 41


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.org",
        "ada.love+bank@mail.example.co.uk",
        "o'neil_1@b-c.de",
        "ada@müller.example",
        "ada@xn--mller-kva.example",
        "añá@example.org",
        "a@1and1.com",
    ],
)
def test_addresses_that_people_have_are_taken(email):
    assert check_email(f" {email} ") == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@example.org",
        "a@-b.de",
        "a@b-.de",
        "a@b.de;drop",
        "a@b_c.de",
        "a@b",
        "a@b..de",
        "a@.b.de",
        "a@b.de.",
        "a@b.1",
        "a@10.0.0.1",
        "a@[10.0.0.1]",
        f"a@{'b' * 64}.de",
        f"{'a' * 65}@b.de",
        "a..b@c.de",
        ".a@b.de",
        "a.@b.de",
        "a@b@c.de",
        "a b@c.de",
        "a,b@c.de",
        "<a@b.de>",
        "a\0@b.de",
        "a\u200b@b.de",
        "a@b.de\n.org",
    ],
)
def test_what_is_no_address_is_refused_in_words(email):
    with pytest.raises(
        InvalidInput, match=r"is not an e-mail address; it should look like ada@example\.org"
    ) as refused:
        check_email(email)
    assert refused.value.field == "email"


def test_an_address_that_is_too_long_is_told_how_long_it_may_be():
    ending = "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 6 + ".org"
    longest = "a" * (EMAIL_LENGTH_MAX - len(ending)) + ending
    assert check_email(longest) == longest
    with pytest.raises(InvalidInput, match="254 characters at most, and this has 255"):
        check_email("a" + longest)


@pytest.mark.parametrize("field", ["url", "login", "password"])
@pytest.mark.parametrize("character", ["\0", "\x07", "\n", "\x7f", "\x85"])
def test_a_login_with_a_control_character_never_reaches_the_bank(field, character):
    parts = {"url": "https://bank.example", "login": "ada", "password": "se cret§"}
    assert check_credentials(**parts).password == "se cret§"
    with pytest.raises(InvalidInput, match=rf"The {field} holds .*U\+{ord(character):04X}") as refused:
        check_credentials(**parts | {field: f"a{character}b"})
    assert refused.value.field == field
