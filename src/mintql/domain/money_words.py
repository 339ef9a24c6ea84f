"""Amounts as people read them in English: $1,234.50, €12.00, CHF 8.00."""

from __future__ import annotations

from mintql.domain.money import to_decimal_text

SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "ILS": "₪", "VND": "₫", "UAH": "₴",
    "CAD": "CA$", "AUD": "A$", "NZD": "NZ$", "BRL": "R$", "MXN": "MX$", "HKD": "HK$", "TWD": "NT$", "CNY": "CN¥",
}  # fmt: skip
"""Signs that name one currency alone, as the Unicode CLDR has them for English; others are named by their code."""

MINUS = "\N{MINUS SIGN}"


def amount_words(amount_minor: int, currency: str) -> str:
    """Write an amount exactly: 123450 USD -> "$1,234.50"; negative ones with a minus sign in front."""
    whole, point, decimals = to_decimal_text(abs(amount_minor), currency).partition(".")
    digits = f"{int(whole):,}{point}{decimals}"
    sign = SYMBOLS.get(currency, f"{currency}\N{NO-BREAK SPACE}")
    return f"{MINUS if amount_minor < 0 else ''}{sign}{digits}"


def change_words(amount_minor: int, currency: str) -> str:
    """Write how much more or less something is: "$12.00 more", "$3.00 less", "the same"."""
    if amount_minor == 0:
        return "the same"
    return f"{amount_words(abs(amount_minor), currency)} {'more' if amount_minor > 0 else 'less'}"
