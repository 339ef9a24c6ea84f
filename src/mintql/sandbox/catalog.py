"""Where the people of the sandbox spend: sellers as card networks write them, with prices and habits.

In a descriptor `{city}` is the person's city, `{store}` a number of the shop they go to, `{n4}` ... digits
that differ each time, and `{code}` letters and digits that differ each time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller's descriptor on statements and its merchant category code (ISO 18245)."""

    descriptor: str
    mcc: str


@dataclass(frozen=True, slots=True)
class Habit:
    """Something bought now and then: how often on a working day and on a weekend day, and for how much.

    Prices are in cents for a person of middle income. `favourites`: of how many of the sellers a person is
    a customer. `tip_chance`, `refund_chance`: how often a tip comes on top, or the goods go back.
    """

    sellers: tuple[Seller, ...]
    favourites: int
    weekday_chance: float
    weekend_chance: float
    low_minor: int
    high_minor: int
    first_hour: int
    last_hour: int
    tip_chance: float = 0
    refund_chance: float = 0
    twice_chance: float = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """Something paid on the same day each month at the same price, in cents."""

    seller: Seller
    price_minor: int


def _sellers(mcc: str, *descriptors: str) -> tuple[Seller, ...]:
    return tuple(Seller(descriptor, mcc) for descriptor in descriptors)


HABITS = (
    Habit(
        _sellers("5814", "STARBUCKS STORE {store}", "SQ *BLUE BOTTLE {n4} {city}", "PEET'S COFFEE {store}",
                 "DUNKIN #{store}", "TST* PHILZ COFFEE {city}", "SQ *CORNER ESPRESSO {city}"),
        2, 0.62, 0.5, 395, 890, 7, 10, twice_chance=0.04),
    Habit(
        _sellers("5814", "CHIPOTLE {store}", "MCDONALD'S F{store}", "SUBWAY {store}", "PANERA BREAD #{store}",
                 "CHICK-FIL-A #{store}", "TACO BELL #{store}", "SWEETGREEN {city}", "FIVE GUYS {store}"),
        4, 0.42, 0.3, 850, 1900, 11, 14),
    Habit(
        _sellers("5812", "TST* OSTERIA ROMA - {city}", "SQ *GOLDEN LOTUS {city}", "CHEESECAKE FACTORY {city}",
                 "OLIVE GARDEN {store}", "TST* THE LOCAL TAP {city}", "DOORDASH*{code} SAN FRANCISCO CA",
                 "UBER EATS HELP.UBER.COM", "GRUBHUB*{code}", "TEXAS ROADHOUSE #{store}"),
        5, 0.2, 0.48, 1800, 7800, 18, 21, tip_chance=0.5),
    Habit(
        _sellers("5411", "WHOLEFDS MDF {store}", "TRADER JOE S #{store}", "SAFEWAY #{store}",
                 "KROGER #{store}", "ALDI {store} {city}", "PUBLIX #{store}", "WEGMANS #{store}"),
        3, 0.32, 0.58, 1400, 13500, 9, 20, refund_chance=0.01),
    Habit(
        _sellers("5300", "COSTCO WHSE #{store}", "WM SUPERCENTER #{store}", "TARGET {store} {city}"),
        2, 0.05, 0.16, 2500, 21000, 10, 19, refund_chance=0.05),
    Habit(
        _sellers("5942", "AMZN MKTP US*{code}", "AMAZON.COM*{code}", "AMZN DIGITAL*{code}"),
        3, 0.24, 0.26, 799, 9500, 8, 23, refund_chance=0.06),
    Habit(
        _sellers("5541", "SHELL OIL {store}{n4}", "CHEVRON {store}", "EXXONMOBIL {store}",
                 "76 - {city} {store}", "ARCO #{store} {city}"),
        2, 0.13, 0.17, 2600, 6400, 7, 20),
    Habit(
        _sellers("4121", "UBER *TRIP HELP.UBER.COM", "LYFT *RIDE {n4}"),
        2, 0.1, 0.2, 850, 4200, 8, 23, tip_chance=0.3),
    Habit(_sellers("4111", "CLIPPER TRANSIT FARE", "MTA*NYCT PAYGO", "VENTRA ACCOUNT {city}"),
          1, 0.22, 0.05, 275, 1000, 7, 9),
    Habit(
        _sellers("5499", "7-ELEVEN {store}", "CIRCLE K #{store}", "WAWA {store}"),
        2, 0.14, 0.16, 350, 1800, 8, 22),
    Habit(_sellers("5912", "CVS/PHARMACY #{store}", "WALGREENS #{store}", "RITE AID {store}"),
          1, 0.07, 0.08, 600, 5200, 9, 20),
    Habit(_sellers("7523", "PARKMOBILE {n4}", "SP+ PARKING {city}", "PAYBYPHONE {city}"),
          1, 0.09, 0.08, 250, 1600, 8, 18),
    Habit(
        _sellers("5651", "OLD NAVY {store}", "UNIQLO {city}", "H&M {store}", "NORDSTROM #{store}",
                 "ZARA USA {store}"),
        3, 0.03, 0.09, 1900, 16000, 11, 19, refund_chance=0.2),
    Habit(_sellers("7832", "AMC {store} {city}", "REGAL CINEMAS {store}", "TICKETMASTER {code}"),
          2, 0.02, 0.1, 1400, 9500, 17, 20),
    Habit(_sellers("5200", "THE HOME DEPOT #{store}", "LOWE'S #{store}", "ACE HARDWARE {city}",
                       "IKEA {city}"),
          2, 0.02, 0.08, 1200, 24000, 9, 18, refund_chance=0.1),
    Habit(_sellers("5732", "BEST BUY {store}", "APPLE STORE #R{store}", "APPLE.COM/BILL"),
          2, 0.02, 0.03, 199, 38000, 10, 20, refund_chance=0.05),
    Habit(_sellers("7230", "SQ *FRESH CUTS {city}", "GREAT CLIPS #{store}", "SEPHORA {store}"),
          2, 0.03, 0.06, 1800, 9000, 10, 18, tip_chance=0.4),
    Habit(_sellers("8011", "ONE MEDICAL {city}", "KAISER PERMANENTE {n4}", "QUEST DIAGNOSTICS {n4}"),
          1, 0.018, 0.0, 2000, 19000, 9, 16),
    Habit(_sellers("5995", "CHEWY.COM", "PETSMART # {store}", "PETCO {store}"),
          1, 0.02, 0.05, 1500, 9000, 10, 19),
    Habit(
        _sellers("4511", "UNITED {n4}{n4}{n4}", "SOUTHWES {n4}{n4}", "DELTA AIR {n4}{n4}", "AIRBNB * {code}",
                 "MARRIOTT {city}"),
        3, 0.012, 0.016, 11000, 52000, 8, 22, refund_chance=0.06),
)  # fmt: skip
"""What is bought on the card. Three to four purchases a day, all in all."""

SUBSCRIPTIONS = (
    Subscription(Seller("NETFLIX.COM", "4899"), 1549),
    Subscription(Seller("SPOTIFY USA", "5815"), 1199),
    Subscription(Seller("HULU {n4}HELP.HULU.COM", "4899"), 999),
    Subscription(Seller("DISNEY PLUS", "4899"), 1099),
    Subscription(Seller("APPLE.COM/BILL", "5818"), 299),
    Subscription(Seller("GOOGLE *GOOGLE ONE", "5817"), 299),
    Subscription(Seller("AMAZON PRIME*{code}", "5968"), 1499),
    Subscription(Seller("NYTIMES*NYTIMES DISC", "5968"), 1700),
    Subscription(Seller("PLANET FITNESS {city}", "7997"), 2499),
    Subscription(Seller("ADOBE *CREATIVE CLD", "5734"), 2299),
    Subscription(Seller("DROPBOX*{code}", "5734"), 1199),
    Subscription(Seller("AUDIBLE*{code}", "5968"), 1495),
)

CITIES = (
    "OAKLAND CA",
    "AUSTIN TX",
    "SEATTLE WA",
    "CHICAGO IL",
    "BROOKLYN NY",
    "DENVER CO",
    "ATLANTA GA",
    "BOSTON MA",
)
EMPLOYERS = ("ACME CORP", "GLOBEX INC", "INITECH LLC", "NORTHWIND TRADERS", "CONTOSO LTD", "STATE UNIVERSITY")
LANDLORDS = (
    "GREYSTAR RENT WEB PMTS",
    "EQUITY RESIDENTIAL RENT",
    "AVALONBAY WEB PAYMENT",
    "BILT RENT PAYMENT",
)
LENDERS = ("ROCKET MORTGAGE LOAN PMT", "WELLS FARGO HOME MTG", "MR COOPER MORTGAGE PYMT")
ELECTRICITY = ("PGANDE WEB ONLINE", "CON EDISON BILL PAYMENT", "COMED UTIL BIL PAYMT", "XCEL ENERGY PAYMENT")
INTERNET = ("COMCAST XFINITY CABLE", "SPECTRUM AUTOPAY", "ATT* BILL PAYMENT", "VERIZON FIOS PYMT")
PHONE = ("T-MOBILE PCS SVC", "VERIZON WRLS PYMT", "MINT MOBILE")
INSURANCE = ("GEICO *AUTO", "STATE FARM INSURANCE", "PROGRESSIVE *INSURANCE", "LEMONADE INSURANCE")
WATER = ("EBMUD WATER BILL", "CITY OF {city} UTILITIES")
FRIENDS = ("ALEX R", "SAM P", "JORDAN K", "CASEY M")
