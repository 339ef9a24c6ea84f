from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mintql.domain.merchant_memory import MEMO_SIZE, remembered, remembered_form
from mintql.domain.merchants import LENGTH_MAX, normalize

PIECES = [
    *(
        "DD ",
        "CB ",
        "CARTE ",
        "BEA, ",
        "UPI-",
        "ZETTLE_",
        "KARTENZAHLUNG ",
        "COMPRA EN ",
        "DES:",
        " INDN:",
        " PPD ID: ",
    ),
    *("ZELLE TO ", "/NAME/", " NAAM: ", "AFFIRM * PAY", "@YBL", "FRESNO CA", " DD", " MAY ", " THE", "1 800", "HYDRO-"),
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


numbers = st.integers(0, 10**9).map(lambda number: f" {number} ")


@settings(max_examples=500)
@given(st.lists(st.one_of(descriptions, numbers, numbers), max_size=6).map("".join))
@example("STARBUCKS STORE 00421 97000000")
@example("12345678")
@example("12345 67890 GRILL")
@example("1 80000 FLOWERS")
def test_what_is_remembered_of_a_text_with_other_numbers_is_what_it_says_itself(description):
    assert remembered(description) == normalize(description)


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


@pytest.mark.parametrize(
    ("description", "key", "name"),
    [
        ("AFFIRM * PAY 8JX1K2", "affirm pay", "Affirm Pay"),
        ("KLARNA* H&M", "h m", "H&M"),
        ("1-800-FLOWERS.COM,INC. 800-468-1141 NY", "1 800 flowers", "1-800-Flowers"),
        ("1 800 CONTACTS", "1 800 contacts", "1 800 Contacts"),
        ("REVENU QUEBEC", "revenu quebec", "Revenu Quebec"),
        ("TOYOTA ACH LEASE PAYMT 4411", "toyota ach lease paymt", "Toyota ACH Lease Paymt"),
        ("UPI-SWIGGY-SWIGGY8@YBL-UTIB0000000-123456789012-PAYMENT", "swiggy", "Swiggy"),
        ("UPI-JOHN DOE-JOHNDOE@OKICICI-ICIC0000001-412345678901-UPI", "upi john doe", "UPI John Doe"),
        ("UPI/P2A/412345678901/JANE DOE/SBIN/XXXX", "upi jane doe", "UPI Jane Doe"),
        ("UPI/DR/412345678901/ZOMATO/HDFC/ZOMATO@HDFCBANK", "zomato", "Zomato"),
        ("UPI/P2M/412345678901/BIG BAZAAR/HDFC", "big bazaar", "Big Bazaar"),
        ("ACH DEBIT XFINITY MOBILE PPD ID: 0000213249", "xfinity mobile", "Xfinity Mobile"),
        (
            "ORIG CO NAME:COMCAST CABLE ORIG ID:0000213249 DESC DATE:260104 CO ENTRY DESCR:CABLE SVC SEC:PPD TRACE#:021000021234567 EED:260104",
            "comcast cable cable svc",
            "Comcast Cable Cable Svc",
        ),
        ("ORIG CO NAME:ACME INC CO ENTRY DESCR:PAYROLL SEC:PPD TRACE#:1", "acme inc payroll", "Acme Inc Payroll"),
        (
            "ACME INC DES:PAYROLL ID:XXXXX1234 INDN:DOE JANE CO ID:XXXXX5678 PPD",
            "acme inc payroll",
            "Acme Inc Payroll",
        ),
        (
            "VERIZON WIRELESS DES:PAYMENTS ID:XXXXX INDN:JANE DOE CO ID:XXXX WEB",
            "verizon wireless",
            "Verizon Wireless",
        ),
        ("ZELLE TO JANE DOE ON 01/04 REF # PP0ABC123", "zelle to jane doe", "Zelle to Jane Doe"),
        ("ZELLE PAYMENT TO JANE DOE JPM99A1B2C3", "zelle payment to jane doe", "Zelle Payment to Jane Doe"),
        (
            "Zelle payment from JOHN Q PUBLIC BACabc123def",
            "zelle payment from john q public",
            "Zelle Payment From John Q Public",
        ),
        ("VENMO *JANE-DOE", "venmo jane doe", "Venmo Jane-Doe"),
        ("VENMO PAYMENT 1023456789 WEB ID: 3264681992", "venmo payment", "Venmo Payment"),
        ("INTERAC E-TRANSFER TO JANE DOE", "interac e transfer to jane doe", "Interac E-Transfer to Jane Doe"),
        ("CASH APP*JANE DOE", "cash app jane doe", "Cash App Jane Doe"),
        ("CARD PAYMENT TO TESCO STORES 3297,12.50 GBP, RATE 1.00/GBP ON 04-01-2026", "tesco", "Tesco"),
        ("CARD PAYMENT TO SAINSBURYS ON 04 JAN 2026", "sainsburys", "Sainsburys"),
        ("))) PRET A MANGER LONDON", "pret a manger", "Pret A Manger"),
        ("VIS AMAZON UK MARKETPLACE", "amazon", "Amazon"),
        ("DD VODAFONE LTD", "vodafone", "Vodafone"),
        ("DIRECT DEBIT PAYMENT TO EE LIMITED REF Q44112233", "ee", "EE"),
        ("VISA PURCHASE WOOLWORTHS 1234 PARRAMATTA AU", "woolworths", "Woolworths"),
        ("VISA DEBIT PURCHASE CARD 1234 COLES 0512 RICHMOND AU", "coles", "Coles"),
        ("EFTPOS BUNNINGS 342000 MELBOURNE VIC", "bunnings", "Bunnings"),
        ("WOOLWORTHS 1234 SYDNEY NSW CARD XX1234 AUS VALUE DATE: 04/01/2026", "woolworths", "Woolworths"),
        ("KARTENZAHLUNG EDEKA SCHMIDT SAGT DANKE", "edeka schmidt sagt danke", "Edeka Schmidt Sagt Danke"),
        ("LASTSCHRIFT VODAFONE GMBH", "vodafone", "Vodafone"),
        ("SEPA-BASISLASTSCHRIFT STADTWERKE MUENCHEN", "stadtwerke muenchen", "Stadtwerke Muenchen"),
        ("CARTE 04/01 CARREFOUR PARIS", "carrefour", "Carrefour"),
        ("CB CARREFOUR PARIS 04/01/26", "carrefour", "Carrefour"),
        ("PAIEMENT CB 0401 MONOPRIX LYON", "monoprix", "Monoprix"),
        ("PRLV SEPA FREE MOBILE", "free mobile", "Free Mobile"),
        ("VIR SEPA JEAN DUPONT", "vir sepa jean dupont", "Vir Sepa Jean Dupont"),
        ("COMPRA TARJ. 5402XXXXXXXX1234 MERCADONA MADRID", "mercadona", "Mercadona"),
        ("COMPRA EN MERCADONA VALENCIA", "mercadona", "Mercadona"),
        ("PAGAMENTO POS 04/01 ESSELUNGA MILANO", "esselunga", "Esselunga"),
        ("BEA, BETAALPAS ALBERT HEIJN 1521,PAS123", "albert heijn", "Albert Heijn"),
        ("BEA NR:AB12CD 04.01.26/12:30 JUMBO UTRECHT", "jumbo", "Jumbo"),
        (
            "SEPA IDEAL IBAN: NL91ABNA0417164300 BIC: ABNANL2A NAAM: BOL.COM OMSCHRIJVING: 123 KENMERK: 04-01",
            "bol",
            "Bol",
        ),
        ("/TRTP/SEPA INCASSO/NAME/ZIGGO SERVICES BV/REMI/FACTUUR 123", "ziggo services", "Ziggo Services"),
        ("GOOGLE *GOOGLE STORAGE G.CO/HELPPAY#", "google storage", "Google Storage"),
        ("GOOGLE *YOUTUBE PREMIUM", "youtube", "Youtube"),
        ("APPLE.COM/BILL 866-712-7753 CA", "apple services", "Apple Services"),
        ("PP*SPOTIFY", "spotify", "Spotify"),
        ("IC* INSTACART", "instacart", "Instacart"),
        ("DD *DOORDASH CHIPOTLE", "doordash", "Doordash"),
        ("FS *ADOBE", "adobe", "Adobe"),
        ("CKE*JOES DINER", "joes diner", "Joes Diner"),
        ("LS BIKE BARN", "ls bike barn", "Ls Bike Barn"),
        ("BT*SUPERMART", "supermart", "Supermart"),
        ("ZLR*BAKERY CO", "bakery co", "Bakery Co"),
        ("PAR*LITTLE INN", "little inn", "Little Inn"),
        ("IZ *MARKET STALL", "market stall", "Market Stall"),
        ("SUMUP *MARKET STALL", "market stall", "Market Stall"),
        ("ZETTLE_*FLOWER CART", "flower cart", "Flower Cart"),
        ("CRV*CORNER CAFE", "corner cafe", "Corner Cafe"),
        ("NYX*CANTEEN 12", "canteen 12", "Canteen 12"),
        ("NNT CORNER STORE", "corner store", "Corner Store"),
        ("MTA*NYCT PAYGO NEW YORK NY", "mta nyct paygo", "MTA Nyct Paygo"),
        ("CHECKCARD 0104 LYFT *RIDE SUN 8PM", "lyft", "Lyft"),
        ("TRADER JOE'S #552 QPS SAN FRANCISCO CA", "trader joes", "Trader Joe's"),
        ("CVS/PHARMACY #02114", "cvs pharmacy", "CVS Pharmacy"),
        ("AMAZON PRIME*2H41X3ZZ2 AMZN.COM/BILL WA", "amazon prime", "Amazon Prime"),
        ("BOOKING.COM HOTEL AMSTERDAM", "booking hotel", "Booking Hotel"),
        ("SMITH & SONS HARDWARE", "smith sons hardware", "Smith & Sons Hardware"),
        ("7-ELEVEN 33456", "7 eleven", "7-Eleven"),
        ("MOTEL 6", "motel 6", "Motel 6"),
        ("FOREVER 21", "forever 21", "Forever 21"),
        ("99 RANCH #1702", "99 ranch", "99 Ranch"),
        ("407 ETR", "407 etr", "407 Etr"),
        ("THE UPS STORE 4412", "the ups store", "The UPS Store"),
        ("STUDIO 54 CAFE", "studio 54 cafe", "Studio 54 Cafe"),
        ("ATM WITHDRAWAL 04/12 001234 MAIN ST", "atm withdrawal", "ATM Withdrawal"),
        ("PURCHASE INTEREST CHARGE", "purchase interest charge", "Purchase Interest Charge"),
        ("HOTEL LONDON", "hotel london", "Hotel London"),
        ("POS 4321 SHELL", "shell", "Shell"),
        ("SQ *JOES BARBER SHOP Brooklyn NY", "joes barber shop", "Joes Barber Shop"),
        ("NETFLIX.COM 408-5403700 CA", "netflix", "Netflix"),
        ("WWW.EXAMPLE-SHOP.CO.UK", "example shop", "Example-Shop"),
        ("HELP.UBER.COM", "uber", "Uber"),
        ("株式会社 セブン", "株式会社 セブン", "株式会社 セブン"),
        ("DANKORT-KØB NETTO 4412 AARHUS", "netto", "Netto"),
        ("KORTKÖP 260104 ICA MAXI", "ica maxi", "Ica Maxi"),
        ("RECIBO IBERDROLA CLIENTES", "iberdrola clientes", "Iberdrola Clientes"),
        ("NEFT CR-INFOSYS LTD-SALARY MAY", "neft cr infosys ltd salary may", "Neft Cr-Infosys Ltd-Salary May"),
        ("DEBIT CARD PURCHASE XXXXX1234 TARGET T-1234", "target", "Target"),
        ("OVERDRAFT FEE 04/12", "overdraft fee", "Overdraft Fee"),
        ("PENDING - COLES 0512", "coles", "Coles"),
        ("WESTERN UNION 1234567890", "western union", "Western Union"),
        ("PAYPAL INST XFER", "paypal inst xfer", "Paypal Inst Xfer"),
        ("PAYPAL INST XFER SPOTIFY WEB ID: PAYPALSI77", "paypal inst xfer spotify", "Paypal Inst Xfer Spotify"),
        (
            "PAYPAL DES:INST XFER ID:SPOTIFY INDN:JANE DOE CO ID:PAYPALSI77 WEB",
            "paypal inst xfer",
            "Paypal Inst Xfer",
        ),
        ("SO JOHN SMITH RENT", "so john smith rent", "So John Smith Rent"),
        ("PADDLE.NET* NOTION", "paddle notion", "Paddle Notion"),
        ("DOORDASH*CHIPOTLE 855-431-0459 CA", "doordash", "Doordash"),
        ("TST*THE DAILY GRIND", "the daily grind", "The Daily Grind"),
    ],
)
def test_banks_of_many_countries_and_their_processors_are_understood(description, key, name):
    merchant = normalize(description)
    assert (merchant.key, merchant.name) == (key, name)
    assert normalize(name).key == normalize(key).key == key


@pytest.mark.parametrize(
    ("description", "domain"),
    [
        ("NETFLIX.COM 408-5403700 CA", "netflix.com"),
        ("WWW.THERANGE.CO.UK", "therange.co.uk"),
        ("GOODLIFE GOODLIFE.COM/HELP", "goodlife.com"),
        ("HELP.UBER.COM", "help.uber.com"),
        ("E.LECLERC NANTES", ""),
        ("CORNER SHOP", ""),
    ],
)
def test_the_web_address_that_a_text_carries_is_kept(description, domain):
    assert normalize(description).domain == domain


@pytest.mark.parametrize(
    ("description", "first_word"),
    [
        ("ZELLE PAYMENT TO JANE DOE JPM99A1B2C3", "zelle"),
        ("VENMO *JANE-DOE", "venmo"),
        ("INTERAC E-TRANSFER TO JANE DOE", "interac"),
        ("VIR SEPA JEAN DUPONT", "vir"),
        ("UPI-JOHN DOE-JOHNDOE@OKICICI-ICIC0000001-412345678901-UPI", "upi"),
        ("BIZUM RECIBIDO DE JORGE", "bizum"),
        ("CASH APP*JANE DOE", "cash"),
    ],
)
def test_a_persons_name_in_a_transfer_never_stands_alone(description, first_word):
    key = normalize(description).key
    assert key.split()[0] == first_word
    assert len(key.split()) > 2


def test_what_was_read_lately_is_remembered_up_to_a_bound():
    for number in range(MEMO_SIZE + 10):
        remembered(f"ZZYZX {chr(97 + number % 26)}{number}")
    assert remembered_form.cache_info().currsize == remembered_form.cache_info().maxsize == MEMO_SIZE
    assert remembered("SQ *BLUE BOTTLE #4411") == normalize("SQ *BLUE BOTTLE #4411")


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
