"""Sellers that write themselves in so many ways that only patterns find the one name.

All are upper case. Others are the dictionary's matter.
"""

from __future__ import annotations

import re

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
