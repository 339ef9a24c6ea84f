"""What a recommendation rests on, in words and figures."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from mintql.domain.estimates import MONTHS_PER_YEAR
from mintql.domain.money import to_decimal_text

if TYPE_CHECKING:
    from mintql.domain.recommendations import Recommendation

BILLS_NAMED_MAX = 3


def basis_of(item: Recommendation, coming: date, template_words: str) -> str:
    """Say what the limit of a group rests on; `coming` is the month it is for, `template_words` the template's."""
    sentences = [*_history(item, template_words), *_season(item, coming), *_bills(item), *_over(item), *_tested(item)]
    return " ".join(sentences)


def _history(item: Recommendation, template_words: str) -> list[str]:
    if item.months == 0 or item.median_minor is None or item.low_minor is None or item.high_minor is None:
        return [template_words, "There is no complete month of your own yet to go by."]
    counted = "1 complete month" if item.months == 1 else f"{min(item.months, MONTHS_PER_YEAR)} complete months"
    if item.low_minor == item.high_minor == 0:
        own = f"You spent nothing in {counted}."
    elif item.low_minor == item.high_minor:
        own = f"You spent {_money(item, item.low_minor)} in {counted}."
    else:
        low, high = (to_decimal_text(amount, item.currency) for amount in (item.low_minor, item.high_minor))
        own = (
            f"You spent {low} to {high} {item.currency} in {counted}, {_money(item, item.median_minor)} in the middle."
        )
    if item.source != "blend" or item.template_minor is None:
        return [own]
    return [own, f"As that is little to go by, the template's {_money(item, item.template_minor)} counts too.",
            template_words]  # fmt: skip


def _season(item: Recommendation, coming: date) -> list[str]:
    if item.season_minor == 0:
        return []
    more = "more" if item.season_minor > 0 else "less"
    added = _money(item, abs(item.season_minor))
    return [f"{coming:%B} was {more} than other months before, so {added} {more} is expected."]


def _bills(item: Recommendation) -> list[str]:
    if not item.bills:
        return []
    named = ", ".join(
        f"{bill.merchant} {to_decimal_text(-bill.amount_minor, bill.currency)} on {bill.due_on.day} {bill.due_on:%B}"
        for bill in item.bills[:BILLS_NAMED_MAX]
    )
    rest = " and others" if len(item.bills) > BILLS_NAMED_MAX else ""
    return [f"It holds {_money(item, item.bills_minor)} for what does not come every month: {named}{rest}."]


def _over(item: Recommendation) -> list[str]:
    if item.months_over is None or item.months == 0:
        return []
    looked = min(item.months, MONTHS_PER_YEAR)
    if item.months_over == 0:
        return ["None of these months would have gone over." if looked > 1 else "It would not have gone over."]
    return [f"{item.months_over} of {looked} would have gone over."]


def _tested(item: Recommendation) -> list[str]:
    if item.tested is None:
        return []
    months = "1 past month" if item.tested.months == 1 else f"{item.tested.months} past months"
    return [f"Such estimates were {_money(item, item.tested.error_minor)} off on average in {months}."]


def _money(item: Recommendation, amount_minor: int) -> str:
    return f"{to_decimal_text(amount_minor, item.currency)} {item.currency}"
