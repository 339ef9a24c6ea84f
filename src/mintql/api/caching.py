"""Whole answers kept in the cache, as the bytes that were sent.

Only answers to signed-in people, to queries all of whose root fields change with their own data and with
nothing else, and only without errors. The version of the person's data is read before the query runs, so
that an answer made from older data is never found under a newer version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from mintql import __version__
from mintql.api.documents import Operation
from mintql.api.requests import Ask
from mintql.domain.ids import UserId

DAYS_END_EVERY_SECONDS = 15 * 60
"""Days begin at midnights of time zones, which are whole quarters of an hour apart; answers may depend on the day."""

CACHEABLE_FIELDS = frozenset(
    {
        "__typename",
        "viewer",
        "accounts",
        "transactions",
        "searchTransactions",
        "tags",
        "spending",
        "monthlySpending",
        "cashFlow",
        "netWorth",
        "topMerchants",
        "manualRates",
        "budgets",
        "categories",
        "budgetRecommendations",
        "recurring",
        "subscriptions",
        "upcomingBills",
        "unreadNotificationCount",
        "notificationSettings",
        "summary",
    }
)
"""Root fields whose answers every writer of their data makes stale by bumping the person's version."""

UNKEPT_ARGUMENTS = frozenset({"inCurrency"})
"""Arguments that let an answer depend on what is everybody's: published exchange rates."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer to a request is kept, and that answer if it is there."""

    user_id: UserId
    version: str
    digest: str
    body: bytes | None = None


def may_be_kept(operation: Operation) -> bool:
    """Tell whether the answer to a query depends on nothing but the person's data."""
    return operation.fields <= CACHEABLE_FIELDS and not operation.arguments & UNKEPT_ARGUMENTS


def digest_of(ask: Ask) -> str:
    """Return the name of a request: the same for the same text, operation and variables."""
    parts = [__version__, ask.query, ask.operation_name, ask.variables]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest_in(digest: str, media: str, moment: float) -> str:
    """Return the name of a request for answers of one media type on one day, of a moment in seconds since 1970.

    Wherever a person is, their day ends with a quarter of an hour.
    """
    return f"{digest}:{int(moment) // DAYS_END_EVERY_SECONDS}:{media}"
