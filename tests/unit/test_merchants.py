from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mintql.domain.merchants import LENGTH_MAX, normalize

PIECES = [
    *("SQ *", "TST* ", "PAYPAL *", "SP ", "POS PURCHASE ", "CHECKCARD 0412 ", "AMZN MKTP", "UBER", "COSTCO PHARM"),
    *(" #123", " 0042", " 04/12", " X1Y2Z3", " STORE 9", " XXXX1234", " 800-555-1234", " USD 12.50", " HELP.UBER.COM"),
    *(
        " WA",
        " ON",
        " CA",
        " USA",
        " TORONTO",
        " NEW YORK",
        "      AUSTIN      TX",
        " INC",
        " LTD",
        " 98101",
        " M5V 2T6",
    ),
    *(
        ".COM",
        "WWW.",
        "/",
        "-",
        "*",
        "&",
        "'S",
        "(",
        ".",
        "  ",
        "A",
        "7",
        "NO",
        "CAFE",
        "Ω",
        "ß",
        "İ",
        "é",
        "ǆ",
        "…",
        "字",
    ),
]
descriptions = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join),
    st.text(max_size=2 * LENGTH_MAX),
)


@settings(max_examples=500)
@given(descriptions)
@example("SQ *SQ *")
@example("SHELL-0123")
@example("CAFE (TORONTO) INC")
def test_names_and_keys_are_stable_when_normalized_again(description):
    merchant = normalize(description)
    assert normalize(merchant.name).key == merchant.key
    assert normalize(merchant.key).key == merchant.key


@settings(max_examples=500)
@given(descriptions)
def test_keys_are_never_empty_bounded_and_plain(description):
    merchant = normalize(description)
    assert 1 <= len(merchant.key) <= LENGTH_MAX
    assert merchant.name
    assert merchant.key == merchant.key.lower() == " ".join(merchant.key.split())


@given(descriptions)
def test_case_and_surrounding_space_name_no_other_seller(description):
    if description.isascii():
        assert normalize(f" {description.lower()}\n").key == normalize(description).key


@pytest.mark.parametrize(
    ("description", "key", "name"),
    [
        ("AMZN MKTP CA*UI1E62NY3", "amazon", "Amazon"),
        ("UBER   *TRIP YPDT3", "uber", "Uber"),
        ("UBER* EATS HELP.UBER.COM", "uber eats", "Uber Eats"),
        ("WHOLEFDS MDF 10380", "whole foods", "Whole Foods"),
        ("SQ *BLUE BOTTLE #4411 OAKLAND CA", "blue bottle", "Blue Bottle"),
        ("SQ *SQ *DICKSON LLAMAS", "dickson llamas", "Dickson Llamas"),
        ("TST* JOE'S PIZZA - NEW YORK", "joes pizza", "Joe's Pizza"),
        ("PAYPAL *STEAM GAMES 4259522985 WA", "steam games", "Steam Games"),
        ("PNT*CORNER DELI", "corner deli", "Corner Deli"),
        ("SP ALLBIRDS", "allbirds", "Allbirds"),
        ("CHECKCARD 0412 STARBUCKS STORE 04817 SEATTLE WA 24692165", "starbucks", "Starbucks"),
        ("PURCHASE AUTHORIZED ON 04/12 SHELL OIL 57444 SAN MATEO CA CARD 1234", "shell oil", "Shell Oil"),
        ("POS DEBIT VISA CHECK CARD 1234 TRADER JOE'S #123", "trader joes", "Trader Joe's"),
        ("DEBIT CARD PURCHASE XXXXX1234 TARGET 00012345", "target", "Target"),
        ("NETFLIX.COM            LOS GATOS    CA", "netflix", "Netflix"),
        ("HTTPS://WWW.LYNDA.COM/JOIN", "lynda", "Lynda"),
        ("KARTENZAHLUNG REWE MARKT GMBH", "rewe markt", "Rewe Markt"),
        ("PRLV SEPA EDF CLIENTS", "edf clients", "EDF Clients"),
        ("CAFÉ MÜLLER GmbH", "cafe muller", "Café Müller"),
        ("Кофейня Пушкин", "кофейня пушкин", "Кофейня Пушкин"),
        ("スターバックス 渋谷", "スターバックス 渋谷", "スターバックス 渋谷"),
        ("H&M 0123 LONDON GBR", "h m", "H&M"),
        ("7-ELEVEN 33456 TORONTO ON", "7 eleven", "7-Eleven"),
        ("LONG   MCQUADE LIMITED", "long mcquade", "Long McQuade"),
        ("UNIVERSITY OF TORONTO", "university of toronto", "University of Toronto"),
        ("EVENTBRITE/2018RUBBERR", "eventbrite", "Eventbrite"),
        ("D   G VACUUM REPAIR", "d g vacuum repair", "D G Vacuum Repair"),
    ],
)
def test_the_seller_is_found_in_what_banks_and_processors_write(description, key, name):
    merchant = normalize(description)
    assert (merchant.key, merchant.name) == (key, name)


@pytest.mark.parametrize("description", ["", "   ", "####", "***", "…", "\x00", "-- / --"])
def test_a_text_without_letters_and_digits_is_an_unknown_seller(description):
    assert normalize(description).key == "unknown"


@pytest.mark.parametrize(
    "description",
    ["PAYMENT THANK YOU", "ATM WITHDRAWAL", "INTEREST CHARGE", "ONLINE TRANSFER TO SAV", "DIRECT DEPOSIT"],
)
def test_the_banks_own_words_are_not_taken_for_a_prefix(description):
    assert normalize(description).key == description.lower()


@pytest.mark.parametrize("description", ["12345", "#4411", "TORONTO", "CA", "LTD", "04/12", "SQ *", "STORE 12"])
def test_the_last_word_is_never_taken_away(description):
    assert normalize(description).key != "unknown"
