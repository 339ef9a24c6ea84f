"""What the letter of a summary says, from the figures of a `Digest`. Every amount comes from there as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from mintql.domain.budgets import ThresholdState
from mintql.domain.digests import Compared, CurrencyDigest, Digest, DigestBudget, DigestWorth, digest_body, digest_title
from mintql.domain.money_words import MINUS, amount_words, change_words
from mintql.domain.recurring import Expected
from mintql.services.mail_letters import OVER_LINES, PREVIEW_CHARACTERS_MAX, Frame, Written, bar_of
from mintql.services.mail_templates import render

CURRENCIES_SHOWN_MAX = 4
CATEGORIES_SHOWN_MAX = 7
BUDGETS_SHOWN_MAX = 8
BILLS_SHOWN_MAX = 12
PERCENT = 100


def write_summary(digest: Digest, open_url: str, unsubscribe_url: str) -> Written:
    """Write the letter of a summary."""
    kind = digest.period.kind
    title = digest_title(digest)
    said = title.partition(": ")[2]
    frame = Frame(
        OVER_LINES[kind],
        digest.period.named(digest.span),
        digest_body(digest).replace("\n", " ")[:PREVIEW_CHARACTERS_MAX],
        open_url,
        unsubscribe_url,
        kind,
    )
    values = frame.values() | {
        "subject": title,
        "headline": said[:1].upper() + said[1:],
        "currencies": [_currency(one, digest) for one in digest.currencies[:CURRENCIES_SHOWN_MAX]],
        "worths": [
            {"net": amount_words(one.net_minor, one.currency), "change": _worth_change(one)} for one in digest.worths
        ],
        "budgets": _budgets(digest.budgets),
        "news": [{"title": news.title, "body": news.body} for news in digest.news],
        "bills": _bills(digest),
    }
    return Written(title, render("summary.txt", values), render("summary.html", values))


def _currency(one: CurrencyDigest, digest: Digest) -> dict[str, Any]:
    shown = one.categories[:CATEGORIES_SHOWN_MAX]
    largest_minor = max((item.spent.amount_minor for item in shown), default=0)
    return {
        "code": one.currency if len(digest.currencies) > 1 else "",
        "spent": amount_words(one.spent.amount_minor, one.currency),
        "spent_change": _change(one.spent, one.currency, digest),
        "received": amount_words(one.received.amount_minor, one.currency),
        "received_change": _change(one.received, one.currency, digest),
        "net": amount_words(one.net_minor, one.currency),
        "net_words": "left over" if one.net_minor >= 0 else "more went out than came in",
        "mean": amount_words(one.spent.mean_minor, one.currency) if one.spent.mean_minor is not None else "",
        "mean_words": f"a {digest.period} on average before",
        "pending": amount_words(one.pending_minor, one.currency) if one.pending_minor else "",
        "since": digest.period.named(digest.previous) if one.spent.mean_minor is not None else "",
        "categories": [
            {
                "name": item.category.name,
                "amount": amount_words(item.spent.amount_minor, one.currency),
                "change": _arrow(item.spent, one.currency),
                "direction": _direction(item.spent),
                "width_percent": _width(item.spent.amount_minor, largest_minor),
            }
            for item in shown
        ],
        "categories_more": _more(
            sum(item.spent.amount_minor for item in one.categories[CATEGORIES_SHOWN_MAX:]),
            len(one.categories) - len(shown),
            one.currency,
        ),
        "merchants": [
            {"name": item.name, "amount": amount_words(item.spent_minor, one.currency), "count": _times(item.count)}
            for item in one.merchants
        ],
        "purchases": [
            {
                "name": item.merchant,
                "day": _day(item.posted_on) + (", pending" if item.pending else ""),
                "amount": amount_words(item.amount_minor, one.currency),
            }
            for item in one.purchases
        ],
    }


def _change(one: Compared, currency: str, digest: Digest) -> str:
    if one.mean_minor is None:
        return ""
    words = change_words(one.change_minor, currency)
    return f"{words} {'than' if one.change_minor else 'as'} the {digest.period} before"


def _worth_change(one: DigestWorth) -> str:
    if one.change_minor is None:
        return ""
    return f"{change_words(one.change_minor, one.currency)} {'than' if one.change_minor else 'as'} when it began"


def _arrow(one: Compared, currency: str) -> str:
    """Return a change as a signed amount; nothing where there is nothing to compare with, or no change."""
    if one.mean_minor is None or one.change_minor == 0:
        return ""
    return f"{'+' if one.change_minor > 0 else MINUS}{amount_words(abs(one.change_minor), currency)}"


def _direction(one: Compared) -> str:
    return "more" if one.change_minor > 0 else "less"


def _width(amount_minor: int, largest_minor: int) -> int:
    if amount_minor <= 0 or largest_minor <= 0:
        return 0
    return max(1, amount_minor * PERCENT // largest_minor)


def _more(amount_minor: int, count: int, currency: str) -> str:
    if count <= 0:
        return ""
    return f"{amount_words(amount_minor, currency)} in {count} more {'category' if count == 1 else 'categories'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _budgets(budgets: Sequence[DigestBudget]) -> dict[str, Any] | None:
    if not budgets:
        return None
    pressing = [one for one in budgets if one.left_minor < 0 or one.state is not ThresholdState.OK]
    kept = sum(one.left_minor >= 0 for one in budgets)
    return {
        "kept": f"{kept} of {len(budgets)} kept",
        "rows": [
            {
                "name": one.name,
                "used": amount_words(one.spent_minor, one.currency),
                "limit": amount_words(one.available_minor, one.currency),
                "rest": _rest(one),
                **bar_of(one.spent_minor, one.available_minor),
            }
            for one in pressing[:BUDGETS_SHOWN_MAX]
        ],
    }


def _rest(one: DigestBudget) -> str:
    if one.left_minor < 0:
        return f"{amount_words(-one.left_minor, one.currency)} over"
    return f"{amount_words(one.left_minor, one.currency)} left to {_day(one.last)}"


def _bills(digest: Digest) -> dict[str, Any] | None:
    if not digest.bills:
        return None
    sums: dict[str, int] = defaultdict(int)
    for bill in digest.bills:
        sums[bill.currency] -= bill.amount_minor
    return {
        "heading": f"Coming, {digest.period.named(digest.next)}",
        "total": " and ".join(amount_words(sums[currency], currency) for currency in sorted(sums)),
        "rows": [_bill(bill) for bill in digest.bills[:BILLS_SHOWN_MAX]],
        "more": max(0, len(digest.bills) - BILLS_SHOWN_MAX),
    }


def _bill(bill: Expected) -> dict[str, str]:
    about = "about " if bill.spread_minor else ""
    return {
        "name": bill.merchant,
        "day": _day(bill.due_on),
        "amount": about + amount_words(-bill.amount_minor, bill.currency),
    }


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
