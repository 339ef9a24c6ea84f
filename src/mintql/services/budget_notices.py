"""The notifications that go with budget alerts: one for the highest threshold that was reached at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from mintql.domain.alert_words import PERCENT, alert_summary
from mintql.domain.budgets import EVERYTHING_ID, budget_name
from mintql.domain.categories import CategoryTree
from mintql.domain.ids import AlertId, CategoryId, UserId
from mintql.domain.money import Money
from mintql.domain.months import local_date
from mintql.domain.notice_texts import causes_words, period_end_words
from mintql.domain.notices import NewNotice, NoticeKind
from mintql.store import notices, notification_settings
from mintql.store.alerts import Crossing, Raised
from mintql.store.notices import Cause
from mintql.store.queries import Conn

AT_ONCE_MAX = 3
"""More budgets of a person whose thresholds are reached at once become one notification."""
NAMED_MAX = 10


async def budget_notices(
    conn: Conn,
    raised: Sequence[Raised],
    crossings: Sequence[Crossing],
    trees: Mapping[UserId, CategoryTree],
    now: datetime,
) -> list[NewNotice]:
    """Return a notification for each budget and period whose thresholds were reached, from the alerts raised."""
    causes = await notices.causes(conn, [(item.user_id, item.alert_id) for item in raised])
    preferences = await notification_settings.preferences_of(conn, {item.user_id for item in raised})
    highest: dict[tuple[UserId, CategoryId, str, date], tuple[int, AlertId, Crossing]] = {}
    by_threshold = {
        (item.user_id, *item.limit.key, item.limit.period.first, item.threshold_percent): item for item in crossings
    }
    for alert in raised:
        place = (alert.user_id, alert.category_id, alert.currency, alert.period_first)
        crossing = by_threshold[(*place, alert.threshold_percent)]
        if place not in highest or highest[place][0] < alert.threshold_percent:
            highest[place] = (alert.threshold_percent, alert.alert_id, crossing)
    by_person: dict[UserId, list[tuple[str, NewNotice]]] = {}
    for _, alert_id, crossing in highest.values():
        user_id = crossing.user_id
        name = budget_name(trees[user_id], crossing.limit.category_id)
        today = local_date(now, preferences[user_id].time_zone)
        notice = _notice(alert_id, crossing, name, causes.get(alert_id, []), today)
        by_person.setdefault(user_id, []).append((name, notice))
    return [notice for of_one in by_person.values() for notice in together(of_one)]


def together(named: Sequence[tuple[str, NewNotice]]) -> list[NewNotice]:
    """Return the notifications of one person that were reached at once, each with its budget's name; many as one.

    Linking an account brings months in which many budgets were used up; ten letters at once are read by nobody.
    """
    if len(named) <= AT_ONCE_MAX:
        return [notice for _, notice in named]
    ordered = sorted(named, key=lambda item: (item[1].kind is not NoticeKind.BUDGET_EXCEEDED, item[0]))
    over = sum(notice.kind is NoticeKind.BUDGET_EXCEEDED for _, notice in ordered)
    counted = [f"{over} exceeded"] * (over > 0) + [f"{len(ordered) - over} nearly used"] * (over < len(ordered))
    lines = [_line(name, notice) for name, notice in ordered[:NAMED_MAX]]
    more = f", and {len(ordered) - NAMED_MAX} more" if len(ordered) > NAMED_MAX else ""
    first = ordered[0][1]
    return [
        NewNotice(
            user_id=first.user_id,
            kind=first.kind,
            subject=f"{first.subject} and {len(ordered) - 1} more",
            title=f"{len(ordered)} budgets: {', '.join(counted)}",
            body=f"Spent of what was available: {'; '.join(lines)}{more}. Your budget alerts say of each what did it.",
        )
    ]


def _line(name: str, notice: NewNotice) -> str:
    spent, available = (Money(minor or 0, notice.currency or "") for minor in (notice.amount_minor, notice.limit_minor))
    month = "" if notice.period_last is None else f" until {notice.period_last.day} {notice.period_last:%B}"
    return f"{name}{month} {spent} of {available}"


def _notice(alert_id: AlertId, crossing: Crossing, name: str, causes: Sequence[Cause], today: date) -> NewNotice:
    limit = crossing.limit
    spent_minor = crossing.spent.total_minor
    exceeded = spent_minor >= limit.available_minor
    summary = alert_summary(
        name,
        limit.period,
        Money(limit.limit_minor, limit.currency),
        Money(spent_minor, limit.currency),
        Money(crossing.spent.pending_minor, limit.currency),
        max(crossing.threshold_percent, PERCENT) if exceeded else crossing.threshold_percent,
        limit.carried_minor,
    )
    why = causes_words([(cause.merchant, cause.amount) for cause in causes])
    until = period_end_words(today, limit.period.last)
    return NewNotice(
        user_id=crossing.user_id,
        kind=NoticeKind.BUDGET_EXCEEDED if exceeded else NoticeKind.BUDGET_APPROACHING,
        subject=f"alert {alert_id}",
        title=f"{name}: budget {'exceeded' if exceeded else 'nearly used'}",
        body=" ".join(part for part in (summary, why, until) if part),
        category_id=None if limit.category_id == EVERYTHING_ID else limit.category_id,
        alert_id=alert_id,
        transaction_ids=tuple(cause.transaction_id for cause in causes),
        amount_minor=spent_minor,
        limit_minor=limit.available_minor,
        currency=limit.currency,
        period_first=limit.period.first,
        period_last=limit.period.last,
    )
