"""How a seller's name is written for people, from the capitals of a statement."""

from __future__ import annotations

_SMALL_WORDS_TEXT = "OF AND THE FOR TO DE DU LE DES LA VAN VON DER DEN IN AT ON AM"
_SMALL_WORDS = frozenset(_SMALL_WORDS_TEXT.split())
_ACRONYMS = """
    ADP AMC
    ATM ATT AT&T BBQ BC BMO BMW BP BT B&B B&Q CBC CIBC CVS DHL DMV EDF EDP EE EV GNC HBO H&M HMRC HMV HSBC IGA IKEA
    ING IRS JB JFK KFC KLM LA LCBO LIRR MTA M&S NHS NY NYC O2 PC PG&E QVC RBC REI RV SAQ SNCF SSE TD TFL TJX TTC TV UK
    UPS US USA USPS VHI YMCA YWCA ABN AMRO II III IV NV UPI ACH HOA DMD DDS DVLA LLC
"""
_UPPER_WORDS = frozenset(_ACRONYMS.split())
_MC_LENGTH_MIN = 5


def display_name(text: str) -> str:
    """Return a name in capitals as people write it."""
    first, *rest = text.split()
    return " ".join([_cased(first), *(word.lower() if word in _SMALL_WORDS else _cased(word) for word in rest)])


def _cased(word: str) -> str:
    return word if word in _UPPER_WORDS else _titled(word)


def _titled(word: str) -> str:
    titled = word.title() if word.isascii() else word[0] + word[1:].lower()
    if "'" in titled:
        titled = titled.replace("'S", "'s").replace("'T", "'t")
    if titled.startswith("Mc") and len(titled) >= _MC_LENGTH_MIN:
        titled = "Mc" + titled[2:].capitalize()
    return titled
