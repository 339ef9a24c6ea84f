"""The words that descriptors carry around a seller's name, as sets and patterns for `merchants`.

All are upper case. Knowledge of the field: ISO 3166 codes, postal abbreviations, and how card networks,
banks and payment processors write their prefixes.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MONTH_NAMES = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"

BANK_PREFIX = re.compile(
    rf"""(?:
      (?:OPOS|FPOS|APOS|CPOS|IDP|POS|EFTPOS)\b
        (?:[ ](?:PURCHASE|PURCH|PUR|DEBIT|TRANSACTION|WITHDRAWAL|W/D|REFUND|RETURN|CREDIT|MERCHANDISE|SALE)\b)?
    | (?:RECURRING[ ]|NON-?PIN[ ]|PIN[ ]|CONTACTLESS[ ]|ONLINE[ ]|MOBILE[ ]|POINT[ ]OF[ ]SALE[ ])*
      (?:INTERAC[ ]|VISA[ ]|MASTERCARD[ ]|MAESTRO[ ])?(?:DEBIT[ ]|CREDIT[ ]|BANK[ ]?)?(?:CARD[ ])?
      (?:PURCHASE|PURCH|DDA[ ]PUR)\b(?![ ]INTEREST)(?:[ ]RETURN\b|[ ]REFUND\b)?
      (?:[ ]AUTHORI[SZ]ED(?:[ ]ON)?)?
    | RECURRING[ ]PAYMENT(?:[ ]AUTHORI[SZ]ED)?(?:[ ]ON|[ ]TO)?\b
    | (?:DEBIT|CREDIT|VISA|CHECK|BANK)[ ]?CARD[ ](?:PAYMENT[ ]TO|TRANSACTION|DEBIT|REFUND)\b
    | (?:VISA[ ])?(?:CHECK|CHK)[ ]?CARD\b | VISA[ ]DEBIT\b
    | CONTACTLESS[ ]PAYMENT\b | CARD[ ]PAYMENT[ ]TO\b | CARD[ ]PURCHASE\b
    | DIRECT[ ]DEBIT(?:[ ]PAYMENT)?(?:[ ]TO)?\b | BILL[ ]PAY(?:MENT)?[ ]TO\b | PAYMENT[ ]TO\b | PAID[ ]TO\b
    | ACH[ ](?:DEBIT|CREDIT|WITHDRAWAL|DEPOSIT|PMT|HOLD)\b
    | ELECTRONIC[ ](?:PMT|DEBIT|WITHDRAWAL|PAYMENT)(?:[ ]TO|[ ]FROM)?\b
    | PRE-?[ ]?AUTHORI[SZ]ED[ ](?:DEBIT|PAYMENT)\b
    | PR(?:E|É)L(?:E|È)VEMENT(?:[ ]SEPA)?\b | PRLV(?:[ ]SEPA)?\b | ACHAT[ ](?:CB|CARTE)\b
    | PAIEMENT(?:[ ]PAR)?[ ](?:CARTE|CB)\b | CARTE(?=[ ][X\d])
    | (?:SEPA-?[ ]?)?(?:BASIS|FOLGE|ERST)?LASTSCHRIFT\b | KARTENZAHLUNG\b | GIROCARD\b
    | COMPRA(?:[ ]CON)?(?:[ ]TARJETA)?(?:[ ]EN)?\b | PAGO[ ](?:EN|CON[ ]TARJETA)\b | RECIBO\b | ADEUDO\b
    | BETAALAUTOMAAT\b | BEA\b | PAGAMENTO[ ]POS\b | ACQUISTO\b
    )
    [ :.,#-]*
    (?:[X*]*\d{{4,}}\b[ :-]*|\d{{1,2}}[/.-]\d{{1,2}}(?:[/.-]\d{{2,4}})?\b[ :-]*
      |\d{{1,2}}[ ]?(?:{_MONTH_NAMES})\b[ :-]*|(?:AT|FROM)[ ])*""",
    re.VERBOSE,
)
"""What banks put before the seller: how it was paid, and the day of it."""

BANK_MATTER = re.compile(
    r"\b(?:PAYROLL|SALARY|WAGES|DIR(?:ECT)? DEP(?:OSIT)?|DIVIDENDS?|CREDIT (?:CARD|CRD)|CARD PAYMENT)\b"
)
"""Money that moves for another reason than a purchase: a seller may also be an employer or a card's name."""

PROCESSOR_PREFIX = re.compile(
    r"""(?:
      (?:SQC?|GOSQ|TST|TOAST|PAYPAL|PP|PYPL|PY|PNT|SP|IN|WPY|CKE|EB|FS|FSP|ZSK|IZ|SUMUP|ZETTLE|DRI|LS|ACT|CCV|STRIPE
        |SHOPIFY|KLARNA|AFTERPAY|BT|UEP|CLV|CLOVER|GDP|NYA|CTLP|USA|PAR|OLO|ABC|FH|PMT|2CO|EIG|DNH|HLU|IC|DD|BBMSL
        |ADYEN|MOLLIE|PADDLE|FASTSPRING|DIGITALRIVER|SEZZLE|AFFIRM|PAYU|PAYTM|REVOLUT|SNACK|SPO|SPOTON|EZI|LIGHTSPEED
        |HPY|CPP|YSI|GPS|RTI|PWP|BKG|VAGARO|MINDBODY|MB)[ ]?\*+[ ]?
    | SP[ ](?=[^ ]{3}) | ZETTLE_[ ]? | IZETTLE[ ]\*?[ ]?
    | (?:SQ|PAYPAL)[ ](?=\*)
    )""",
    re.VERBOSE,
)
"""What payment processors put before the seller."""

REFERENCE = re.compile(
    rf"""
      [ ]*\#[ ]*[A-Z]?-?\d
    | [ ](?:NO|NR|STORE|STN|UNIT|LOC|LOCATION|REF|TERMINAL|AUTH|ID|CARD|ACCT|A/C|CONF|CONFIRMATION|ORDER|INV|INVOICE
        |TICKET|TRN|SEQ|XX+)[.:]?[ ]?[\#*X]*\d
    | [ ]*\*+[ ]*(?=[A-Z0-9]*\d)[A-Z0-9]{{3,}}
    | [ ]+[X*•]{{2,}}-?\d
    | [ ]\d{{1,2}}[/.-]\d{{1,2}}\b | [ ]\d{{4}}-\d\d-\d\d\b | [ ]\d{{1,2}}[ ]?(?:{_MONTH_NAMES})\b
    | [ ](?:\+?1[ .-]?)?\(?\d{{3}}\)?[ .-]\d{{3}}
    | [ ]\.*[A-Z]{{0,2}}\d{{3,}}
    | [ ](?=[A-Z]*\d[A-Z]*\d)[A-Z0-9]{{6,}}\b
    | (?<=[A-Z]{{4}})\d{{5,}}
    | [ ](?:USD|CAD|EUR|GBP|AUD|CHF)[ ]?\d+[.,]\d\d\b
    """,
    re.VERBOSE,
)
"""Where a reference begins: everything from there on is store number, phone, date, city or mask."""

COLUMN_TAIL = re.compile(
    r"(?<=\S\S\S)\s{2,}[A-Z][A-Z .'-]{2,}\s+(?:[A-Z]{2})(?:\s+(?:US|USA|CA|CAN))?(?:\s+[A-Z0-9 -]{3,10})?$"
)
"""City and state in columns of their own, as card networks lay descriptors out."""

DOMAIN = re.compile(
    r"(?:HTTPS?://)?(?:WWW\.)?\b([A-Z0-9][A-Z0-9-]+)"
    r"\.(?:COM?(?:\.(?:UK|NZ|JP|ZA|IN|AU|BR|MX))?|CA|NET|ORG|IO|DE|FR|ES|IT|NL|BE|AT|CH|IE|EU|US|SE|DK|PL"
    r"|TV|ME|APP|AI|GG)"
    r"(?![A-Z0-9.])(?:/\S*)?"
)
"""A web address, of which the name before the last suffix is kept."""

COMPANY_FORMS = _words(
    "INC INCORPORATED LTD LIMITED LLC LLP LP PLC CORP CORPORATION CO GMBH AG KG UG SARL SAS SRL BV NV AB OY AS ULC "
    "PTY PTE LTEE"
)

STATES = _words(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA PR RI SC SD TN TX UT VT VA WA WV WI WY AB BC MB NB NL NS NT NU ON PE QC SK YT PQ"
)

COUNTRIES = _words(
    "US USA CAN GB GBR UK DE DEU FR FRA NL NLD IE IRL ES ESP IT ITA BE BEL AT AUT CH CHE SE SWE DK DNK LU LUX PT PRT "
    "AU AUS MEX SGP IND"
)

ALSO_WORDS = _words("ON IN OR ME OK HI OH DE LA CO AL PA MA ID AT BE IT ES AS US UK CA DC CH")
"""Codes that are words of names as well, and so are only taken off what keeps two words without them."""

_CITY_NAMES = """
    ALBUQUERQUE, ANAHEIM, ARLINGTON, ATLANTA, AUSTIN, BALTIMORE, BERKELEY, BELLEVUE, BOSTON, BOULDER, BROOKLYN,
    BUFFALO, CAMBRIDGE, CHARLOTTE, CHICAGO, CINCINNATI, CLEVELAND, COLUMBUS, CUPERTINO, DALLAS, DENVER, DETROIT,
    EL PASO, FORT WORTH, FREMONT, FRESNO, HONOLULU, HOUSTON, INDIANAPOLIS, IRVINE, JACKSONVILLE, JERSEY CITY,
    KANSAS CITY, LAS VEGAS, LONG BEACH, LOS ANGELES, LOS GATOS, LOUISVILLE, MEMPHIS, MESA, MIAMI, MILWAUKEE,
    MINNEAPOLIS, MOUNTAIN VIEW, NASHVILLE, NEW ORLEANS, NEW YORK, NEWARK, NYC, OAKLAND, OMAHA, ORLANDO, PALO ALTO,
    PHILADELPHIA, PHOENIX, PITTSBURGH, PORTLAND, RALEIGH, RENO, SACRAMENTO, SALT LAKE CITY, SAN ANTONIO, SAN
    DIEGO, SAN FRANCISCO, SAN JOSE, SAN MATEO, SANTA MONICA, SCOTTSDALE, SEATTLE, SPOKANE, ST LOUIS, SUNNYVALE,
    TAMPA, TEMPE, TUCSON, TULSA, WASHINGTON, AJAX, BARRIE, BRAMPTON, BURLINGTON, BURNABY, CALGARY, EDMONTON,
    ETOBICOKE, GATINEAU, HALIFAX, HAMILTON, KELOWNA, KINGSTON, KITCHENER, LAVAL, LONDON, LONGUEUIL, MARKHAM,
    MISSISSAUGA, MONTREAL, NORTH YORK, OAKVILLE, OSHAWA, OTTAWA, PICKERING, REGINA, RICHMOND HILL,
    SASKATOON, SCARBOROUGH, SURREY, TORONTO, VANCOUVER, VAUGHAN, VICTORIA, WATERLOO, WHITBY, WINNIPEG, BELFAST,
    BIRMINGHAM, BRIGHTON, BRISTOL, CARDIFF, EDINBURGH, GLASGOW, LEEDS, LIVERPOOL, MANCHESTER, NOTTINGHAM,
    SHEFFIELD, DUBLIN, AMSTERDAM, ROTTERDAM, UTRECHT, BRUSSELS, ANTWERP, BERLIN, MUENCHEN, MÜNCHEN, HAMBURG,
    FRANKFURT, KÖLN, KOELN, STUTTGART, DÜSSELDORF, DUESSELDORF, LEIPZIG, WIEN, VIENNA, ZÜRICH, ZUERICH, GENEVE,
    PARIS, LYON, MARSEILLE, TOULOUSE, BORDEAUX, LILLE, MADRID, BARCELONA, VALENCIA, SEVILLA, LISBOA, LISBON, ROMA,
    MILANO, TORINO, STOCKHOLM, COPENHAGEN, LUXEMBOURG
"""
CITIES = frozenset(" ".join(name.split()) for name in _CITY_NAMES.split(","))
"""Large places of the countries that sellers.tsv covers, as they end descriptors."""

NEEDS_ITS_PLACE = _words(
    "R OF DE DU DI LA THE AT IN FOR AND AIR UNIVERSITY PORT FORT NEW ST SAINT CITY BANK HOTEL RESTAURANT CAFE BAR SHOP "
    "STORE MUSEUM PIZZA TAXI PARKING AIRPORT MARRIOTT HILTON HYATT SHERATON ZOO TRANSIT METRO VILLE"
)
"""Words that say nothing, or something else, once the place behind them is gone."""

ALIASES: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    word: tuple((re.compile(pattern), canonical) for pattern, canonical in patterns)
    for words, patterns in (
        (
            "AMZN AMAZON AMZ AMAZON.COM AMAZON.CA AMAZON.CO.UK AMAZON.DE AMAZON.FR AMZN.COM/BILL AWS",
            (
                (r"(?:AMAZON|AMZN) WEB|AWS", "AMAZON WEB SERVICES"),
                (r"AM\S+[ *]*PRIME VIDEO", "PRIME VIDEO"),
                (r"AM\S+[ *]*PRIME", "AMAZON PRIME"),
                (r"AM\S+[ *]*FRESH", "AMAZON FRESH"),
                (r"AM\S+[ *]*MUSIC", "AMAZON MUSIC"),
                (r"AMZN?\b", "AMAZON"),
                (
                    r"AMAZON(?:[.*]| ?\*|$| (?:MK|MARKET|EU\b|US\b|UK\b|CA\b|PAY|RETAIL|DIGI|DOWN|TIPS|GROC|COM\b))",
                    "AMAZON",
                ),
            ),
        ),
        (
            "UBER UBEREATS UBR",
            ((r"UBE?R[ *]*EATS", "UBER EATS"), (r"UBE?R[ *]*ONE\b", "UBER ONE"), (r"UBE?R\b", "UBER")),
        ),
        ("UBER*EATS UBER*TRIP UBER.COM", ((r"UBER\*EATS", "UBER EATS"), (r"UBER", "UBER"))),
        ("LYFT", ((r"LYFT\b", "LYFT"),)),
        ("FACEBK FACEBOOK FACEBOOK.COM", ((r"FACEB(?:OO)?K\b", "FACEBOOK"),)),
        (
            "APPLE.COM/BILL APPLE.COM ITUNES.COM/BILL ITUNES.COM APL*ITUNES APL*",
            ((r"APPLE\.COM(?!/BILL)", "APPLE"), (r"A|I", "APPLE SERVICES")),
        ),
        ("WHOLEFDS WHOLEFOODS", ((r"WHOLE", "WHOLE FOODS"),)),
        ("WHOLE", ((r"WHOLE FOODS", "WHOLE FOODS"),)),
        (
            "WAL-MART WALMART WAL WM WMT WALMART.COM WALMART.CA",
            (
                (r"(?:WAL[- ]?MART(?:\.COM|\.CA)?|WM|WMT)\b.*?\b(?:GAS|FUEL)", "WALMART GAS"),
                (r"WAL[- ]?MART\b.*?\bPHARM", "WALMART PHARMACY"),
                (r"WAL[- ]?MART\b|WM SUPERC|WMT ", "WALMART"),
            ),
        ),
        (
            "CDN CANADIAN",
            ((r"(?:CDN|CANADIAN) TIRE GAS", "CANADIAN TIRE GAS"), (r"(?:CDN|CANADIAN) TIRE", "CANADIAN TIRE")),
        ),
        (
            "COSTCO COSTCO.COM COSTCO.CA",
            ((r"COSTCO (?:GAS|FUEL)", "COSTCO GAS"), (r"COSTCO (?:PHARM|TRAVEL|OPTIC)", ""), (r"COSTCO", "COSTCO")),
        ),
        ("MCDONALDS MCDONALD'S MCDONALD", ((r"MCDONALD[' ]?S\b", "MCDONALD'S"),)),
        ("7-ELEVEN 7-11 7ELEVEN 7", ((r"7[- ]?(?:ELEVEN|11)\b", "7-ELEVEN"),)),
        ("NOFRILLS NO", ((r"NO ?FRILL'?S?\b", "NO FRILLS"),)),
        ("RCSS REAL", ((r"RCSS\b|REAL (?:CDN|CANADIAN) SUPER", "REAL CANADIAN SUPERSTORE"),)),
        ("PETROCAN PETRO-CANADA PETRO PETROCANADA", ((r"PETRO[- ]?CAN", "PETRO-CANADA"),)),
        ("GOOGLE GOOGLE*YOUTUBE", ((r"GOOGLE[ *]+YOUTUBE ?TV", "YOUTUBE TV"), (r"GOOGLE[ *]+YOUTUBE", "YOUTUBE"))),
        ("AIR", ((r"AIR CAN(?:ADA)?\b", "AIR CANADA"),)),
        ("DOORDASH DOORDASH.COM", ((r"DOORDASH", "DOORDASH"),)),
        ("INSTACART INSTACART.COM", ((r"INSTACART", "INSTACART"),)),
        ("AIRBNB AIRBNB.COM", ((r"AIRBNB", "AIRBNB"),)),
        ("SPOTIFY SPOTIFYUSA SPOTIFY.COM", ((r"SPOTIFY", "SPOTIFY"),)),
        ("SKIPTHEDISHES SKIP", ((r"SKIP ?THE ?DISHES", "SKIPTHEDISHES"),)),
    )
    for word in words.split()
}
"""Sellers that write themselves in many ways, by their first word: pattern at the start, and the one name.

An empty name leaves the text as it is.
"""
