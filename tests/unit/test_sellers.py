"""Finding sellers by merchant key: how much of it must agree, where, and what the project's own list hides."""

from __future__ import annotations

import pytest

from mintql.data import load_categories, load_seller_index, read_rows
from mintql.domain.countries import EVERYWHERE, NOWHERE, country_set, currency_countries
from mintql.domain.sellers import ALSO_BEFORE, TELLING, Found, SellerColumns, SellerIndex

TREE = load_categories()
CANADA = country_set(["ca"])
NORWAY = country_set(["no"])

ROWS = (
    # key, name, category, flags, countries, sorted as the file is
    ("blue door", "Blue Door", 604, TELLING, country_set(["ca", "us"])),
    ("blue door books", "", 808, TELLING, EVERYWHERE),
    ("city pharmacy", "", 904, 0, CANADA),
    ("orange", "Orange", 505, 0, country_set(["fr"])),
    ("plenty", "Plenty Groceries", 601, TELLING, CANADA),
    ("plenty", "Plenty Insurance", 1510, TELLING | ALSO_BEFORE, NORWAY),
    ("zorgo", "", 805, TELLING, NORWAY),
)
DOMAINS = {"bluedoor.example": 0, "orange.example": 3, "zorgo.example": 6}


def columns(rows, domains=None) -> SellerColumns:
    keys, names, category_ids, flags, scopes = zip(*rows, strict=True)
    return SellerColumns(
        keys=keys,
        names=names,
        name_numbers=range(len(rows)),
        category_ids=category_ids,
        category_numbers=range(len(rows)),
        flags=bytes(flags),
        scopes=scopes,
        scope_numbers=range(len(rows)),
        domains=tuple(domains or {}),
        domain_rows=tuple((domains or {}).values()),
    )


INDEX = SellerIndex(curated=SellerColumns(), listed=columns(ROWS, DOMAINS))


def found(key: str, countries: int = CANADA, domain: str = "", index: SellerIndex = INDEX):
    match = index.find(key, countries, domain)
    return None if match is None else (match.key, match.how.value, match.in_scope)


def test_the_whole_key_comes_first_then_the_longest_beginning_of_several_words():
    assert found("blue door books") == ("blue door books", "exact", True)
    assert found("blue door books annex two") == ("blue door books", "beginning", True)
    assert found("blue door cafe") == ("blue door", "beginning", True)
    assert found("blue window") is None
    assert found("the blue door") is None
    assert found("") is None


def test_a_first_word_is_enough_only_when_it_is_telling():
    assert found("plenty of fish") == ("plenty", "first_word", True)
    assert found("orange", country_set(["fr"])) == ("orange", "exact", True)
    assert found("orange county jail", country_set(["fr"])) is None
    assert found("plent of fish") is None


def test_words_that_only_describe_match_whole_keys_only():
    match = INDEX.find("city pharmacy", CANADA)
    assert (match.name, match.telling) == ("City Pharmacy", False)
    assert found("city pharmacy downtown") is None


def test_a_seller_of_other_countries_says_so_and_needs_more_than_a_first_word():
    assert found("zorgo") == ("zorgo", "exact", False)
    assert found("zorgo oslo") is None
    assert found("zorgo oslo", NORWAY) == ("zorgo", "first_word", True)
    assert found("blue door oslo", NORWAY) == ("blue door", "beginning", False)
    assert found("zorgo oslo", EVERYWHERE) == ("zorgo", "first_word", True)
    assert found("zorgo", NOWHERE) == ("zorgo", "exact", False)


def test_a_seller_that_is_here_comes_before_a_longer_name_from_elsewhere():
    rows = [("abc", "", 601, TELLING, CANADA), ("abc fuel", "", 701, TELLING, NORWAY)]
    index = SellerIndex(curated=SellerColumns(), listed=columns(rows, {"abc.example": 0}))
    assert found("abc fuel nord", CANADA, index=index) == ("abc", "first_word", True)
    assert found("abc fuel nord", NORWAY, index=index) == ("abc fuel", "beginning", True)
    assert found("abc fuel nord", country_set(["se"]), index=index) == ("abc fuel", "beginning", False)


def test_one_name_of_two_countries_means_the_seller_of_the_country_asked_for():
    assert INDEX.find("plenty", CANADA).name == "Plenty Groceries"
    assert INDEX.find("plenty", NORWAY).name == "Plenty Insurance"
    assert INDEX.find("plenty", NORWAY).category_id == 1510
    assert INDEX.find("plenty store", CANADA).name == "Plenty Groceries"


@pytest.mark.parametrize("countries", [EVERYWHERE, CANADA | NORWAY, country_set(["se"])])
def test_a_name_that_means_several_things_where_one_is_means_nothing(countries):
    assert found("plenty", countries) is None
    assert found("plenty store", countries) is None


def test_a_name_with_one_meaning_in_several_countries_is_found_in_all_of_them():
    rows = [("abc", "ABC", 601, 0, CANADA), ("abc", "Abc", 601, ALSO_BEFORE, NORWAY)]
    index = SellerIndex(curated=SellerColumns(), listed=columns(rows))
    assert found("abc", EVERYWHERE, index=index) == ("abc", "exact", True)
    assert found("abc", country_set(["se"]), index=index) == ("abc", "exact", False)


def test_a_domain_names_the_seller_when_no_word_does():
    assert found("bill 123", domain="bluedoor.example") == ("blue door", "domain", True)
    assert found("bill 123", domain="pay.shop.bluedoor.example") == ("blue door", "domain", True)
    assert found("bill 123", domain="orange.example") == ("orange", "domain", False)
    assert found("bill 123", domain="example") is None
    assert found("plenty", domain="bluedoor.example") == ("plenty", "exact", True)
    assert found("blue door oslo", NORWAY, "zorgo.example") == ("zorgo", "domain", True)
    assert found("blue door oslo", country_set(["se"]), "zorgo.example") == ("blue door", "beginning", False)


def test_the_projects_own_list_hides_every_meaning_of_its_keys():
    own = columns([("orange", "Own Orange", 807, 0, EVERYWHERE), ("plenty", "Own Plenty", 812, 0, EVERYWHERE)])
    index = SellerIndex(curated=own, listed=columns(ROWS, DOMAINS))
    match = index.find("plenty", CANADA)
    assert (match.name, match.category_id, match.curated) == ("Own Plenty", 812, True)
    assert found("plenty store", index=index) is None
    assert index.find("zorgo", NORWAY).curated is False
    assert index.find("bill", CANADA, "orange.example").name == "Own Orange"
    assert len(index) == len({row[0] for row in ROWS})


def test_every_seller_of_the_projects_own_list_is_found_under_its_key_everywhere():
    index = load_seller_index()
    for row in read_rows("sellers.tsv"):
        match = index.find(row["key"], NOWHERE)
        assert (match.key, match.name, match.how, match.curated) == (row["key"], row["name"], Found.EXACT, True)
        assert match.category_id == TREE.by_slug[row["category"]].category_id
        longer = index.find(row["key"] + " zzyzx", CANADA)
        assert (longer is not None and longer.key == row["key"]) == (row["match"] != "whole key")


def test_a_currency_stands_for_the_countries_that_pay_in_it():
    assert currency_countries("CAD") == CANADA
    assert currency_countries("NOK") & NORWAY
    assert currency_countries("EUR") & country_set(["fr"])
    assert not currency_countries("EUR") & country_set(["gb", "ch", "se"])
    assert currency_countries("USD") & country_set(["us"])
    assert not currency_countries("USD") & CANADA


@pytest.mark.parametrize("unknown", ["", "XAU", "XDR", "12", "é12"])
def test_a_currency_of_no_known_country_stands_for_everywhere(unknown):
    assert currency_countries(unknown) == EVERYWHERE


@pytest.mark.parametrize("code", ["", "c", "CA", "can", "c1", "äb"])
def test_what_is_no_country_code_is_refused(code):
    with pytest.raises(ValueError, match="two lower-case letters"):
        country_set([code])
