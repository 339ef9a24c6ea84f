"""What is told about a category: how sure it is, and why, from what a transaction keeps of it."""

from __future__ import annotations

import pytest

from mintql.domain.categories import CategorySource
from mintql.domain.reasons import code_detail, confidence, explanation, keyword_detail, seller_detail
from mintql.domain.sellers import Direction, Found, Keyword, SellerMatch

MANUAL, RULE, MEMORY, TRANSFER, CROWD, INSTITUTION, DICTIONARY, KEYWORD, NONE = CategorySource


def seller(**changes) -> SellerMatch:
    match = SellerMatch("blue door", "Blue Door", 604, Found.EXACT, curated=False, in_scope=True, telling=True)
    return match._replace(**changes)


@pytest.mark.parametrize(
    ("source", "detail", "sentence"),
    [
        (MANUAL, "", "You chose this category for this transaction."),
        (RULE, "12 Coffee at work", "Your rule “Coffee at work” says so."),
        (MEMORY, "blue door", "You chose this category for “blue door” before."),
        (
            TRANSFER,
            "4711",
            "It is one side of a transfer between your own accounts.",
        ),
        (CROWD, "9/10", "9 of 10 people who chose a category for this seller chose this one."),
        (INSTITUTION, "MCC 5812", "The institution gives the merchant category code 5812 (restaurants)."),
        (
            INSTITUTION,
            "MCC 5999 vague",
            "The institution gives the merchant category code 5999, which covers many trades; nothing tells more.",
        ),
        (INSTITUTION, "PFC FOOD_AND_DRINK_COFFEE", "The institution puts it into FOOD_AND_DRINK_COFFEE."),
        (DICTIONARY, "exact: blue door", "The dictionary of sellers has “blue door”."),
        (DICTIONARY, "first word: blue", "The dictionary of sellers has “blue”, the first word of the name."),
        (
            DICTIONARY,
            "listed beginning, abroad: blue door",
            "The dictionary of sellers has, in other countries, “blue door”, with which the name begins.",
        ),
        (
            DICTIONARY,
            "listed exact, common name: target",
            "The dictionary of sellers has “target”, which is a common word as well.",
        ),
        (DICTIONARY, "domain: blue", "The dictionary of sellers has the seller “blue”, whose web address this is."),
        (KEYWORD, "bank: payroll", "Banks write “payroll” for this."),
        (KEYWORD, "word: yoga", "The name has “yoga”."),
        (KEYWORD, "stem: pizz*", "A word of the name begins with “pizz”."),
        (NONE, "", "Nothing is known that tells a category."),
    ],
)
def test_a_reason_is_a_sentence_that_names_what_decided(source, detail, sentence):
    assert explanation(source, detail, {"5812": "restaurants"}) == sentence


def test_a_detail_says_how_the_seller_was_found():
    assert seller_detail(seller(curated=True)) == "exact: blue door"
    assert seller_detail(seller(how=Found.FIRST_WORD)) == "listed first word: blue door"
    assert seller_detail(seller(telling=False, in_scope=False)) == "listed exact, common name, abroad: blue door"


@pytest.mark.parametrize(
    ("phrase", "of_bank", "detail"),
    [
        ("payroll", True, "bank: payroll"),
        ("yoga", False, "word: yoga"),
        ("car wash", False, "phrase: car wash"),
        ("pizz*", False, "stem: pizz*"),
    ],
)
def test_a_detail_says_what_kind_of_words_were_found(phrase, of_bank, detail):
    assert keyword_detail(Keyword(phrase, 1, Direction.EITHER, of_bank=of_bank)) == detail


def test_a_code_that_covers_many_trades_says_so():
    assert code_detail("mcc", "5999", vague=True) == "MCC 5999 vague"
    assert code_detail("pfc", "INCOME_SALARY", vague=False) == "PFC INCOME_SALARY"


def test_a_reason_is_the_surer_the_more_it_rests_on():
    assert confidence(MANUAL, "") == confidence(RULE, "12 Coffee") == 100
    details = [seller_detail(seller(curated=True)), seller_detail(seller()), seller_detail(seller(how=Found.BEGINNING))]
    sure = [confidence(DICTIONARY, detail) for detail in details]
    assert sure == sorted(sure, reverse=True)
    assert len(set(sure)) == 3
    for weaker in (seller(telling=False), seller(in_scope=False)):
        assert 0 < confidence(DICTIONARY, seller_detail(weaker)) < confidence(DICTIONARY, seller_detail(seller()))
    assert confidence(INSTITUTION, "MCC 5999 vague") < confidence(INSTITUTION, "MCC 5812")
    assert confidence(NONE, "") == 0


def test_few_votes_make_less_sure_than_many_of_the_same_share():
    assert [confidence(CROWD, votes) for votes in ("3/3", "9/10", "90/100", "1000/1000")] == [80, 83, 89, 97]
    assert confidence(CROWD, "?") == 50


def test_every_way_to_find_a_seller_has_its_own_confidence():
    for how in Found:
        for curated in (True, False):
            detail = seller_detail(seller(how=how, curated=curated))
            assert confidence(DICTIONARY, detail) != confidence(DICTIONARY, "no such form: x") or how is Found.DOMAIN
