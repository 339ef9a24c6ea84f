"""Personal finance categories of the sandbox bank's rows, as Plaid would tell them: detailed codes of version 2."""

from __future__ import annotations

UNKNOWN = "OTHER_OTHER"

_BY_MERCHANT_CODE = {
    "4111": "TRANSPORTATION_PUBLIC_TRANSIT",
    "4121": "TRANSPORTATION_TAXIS_AND_RIDE_SHARES",
    "4511": "TRAVEL_FLIGHTS",
    "4899": "ENTERTAINMENT_TV_AND_MOVIES",
    "5200": "HOME_IMPROVEMENT_HARDWARE",
    "5300": "GENERAL_MERCHANDISE_SUPERSTORES",
    "5411": "FOOD_AND_DRINK_GROCERIES",
    "5499": "GENERAL_MERCHANDISE_CONVENIENCE_STORES",
    "5541": "TRANSPORTATION_GAS",
    "5651": "GENERAL_MERCHANDISE_CLOTHING_AND_ACCESSORIES",
    "5732": "GENERAL_MERCHANDISE_ELECTRONICS",
    "5734": "GENERAL_SERVICES_OTHER_GENERAL_SERVICES",
    "5812": "FOOD_AND_DRINK_RESTAURANT",
    "5814": "FOOD_AND_DRINK_FAST_FOOD",
    "5815": "ENTERTAINMENT_MUSIC_AND_AUDIO",
    "5817": "GENERAL_SERVICES_OTHER_GENERAL_SERVICES",
    "5818": "GENERAL_SERVICES_OTHER_GENERAL_SERVICES",
    "5912": "MEDICAL_PHARMACIES_AND_SUPPLEMENTS",
    "5942": "GENERAL_MERCHANDISE_ONLINE_MARKETPLACES",
    "5968": "ENTERTAINMENT_OTHER_ENTERTAINMENT",
    "5995": "GENERAL_MERCHANDISE_PET_SUPPLIES",
    "6011": "TRANSFER_OUT_WITHDRAWAL",
    "7230": "PERSONAL_CARE_HAIR_AND_BEAUTY",
    "7523": "TRANSPORTATION_PARKING",
    "7832": "ENTERTAINMENT_TV_AND_MOVIES",
    "7997": "PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS",
    "8011": "MEDICAL_PRIMARY_CARE",
}
_BY_WORDS = (
    ("PAYROLL", "INCOME_SALARY"),
    ("INTEREST PAYMENT", "INCOME_INTEREST_EARNED"),
    ("AUTOPAY PYMT", "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT"),
    ("AUTOMATIC PAYMENT", "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT"),
    ("TRANSFER TO", "TRANSFER_OUT_ACCOUNT_TRANSFER"),
    ("TRANSFER FROM", "TRANSFER_IN_ACCOUNT_TRANSFER"),
    ("ZELLE PAYMENT TO", "TRANSFER_OUT_ACCOUNT_TRANSFER"),
    ("ZELLE PAYMENT FROM", "TRANSFER_IN_ACCOUNT_TRANSFER"),
    ("RENT", "RENT_AND_UTILITIES_RENT"),
    ("AVALONBAY", "RENT_AND_UTILITIES_RENT"),
    ("MORTGAGE", "LOAN_PAYMENTS_MORTGAGE_PAYMENT"),
    ("HOME MTG", "LOAN_PAYMENTS_MORTGAGE_PAYMENT"),
    ("WATER", "RENT_AND_UTILITIES_WATER"),
    ("UTILITIES", "RENT_AND_UTILITIES_OTHER_UTILITIES"),
    ("INSURANCE", "GENERAL_SERVICES_INSURANCE"),
    ("GEICO", "GENERAL_SERVICES_INSURANCE"),
    ("MOBILE", "RENT_AND_UTILITIES_TELEPHONE"),
    ("WRLS", "RENT_AND_UTILITIES_TELEPHONE"),
)
"""Words of what is not bought from a merchant; the first that stands in a text counts."""

_OLDER = {"INCOME_SALARY": "INCOME_WAGES"}
"""Codes of version 2 that version 1 calls otherwise."""

_PRIMARIES = (
    "LOAN_DISBURSEMENTS", "LOAN_PAYMENTS", "TRANSFER_IN", "TRANSFER_OUT", "BANK_FEES", "FOOD_AND_DRINK",
    "GENERAL_MERCHANDISE", "HOME_IMPROVEMENT", "PERSONAL_CARE", "GENERAL_SERVICES", "GOVERNMENT_AND_NON_PROFIT",
    "RENT_AND_UTILITIES",
)  # fmt: skip
"""Primary codes of several words; of the others it is the first word of the detailed code."""


def detailed(mcc: str, description: str) -> str:
    """Return the detailed category of a row."""
    found = _BY_MERCHANT_CODE.get(mcc)
    return found or next((code for words, code in _BY_WORDS if words in description), UNKNOWN)


def category(code: str, version: str) -> dict[str, str]:
    """Return the category of this detailed code as Plaid writes it, in version `v1` or `v2`."""
    named = _OLDER.get(code, code) if version == "v1" else code
    primary = next((name for name in _PRIMARIES if named.startswith(name)), named.partition("_")[0])
    level = "LOW" if code == UNKNOWN else "VERY_HIGH"
    return {"primary": primary, "detailed": named, "confidence_level": level, "version": version}
