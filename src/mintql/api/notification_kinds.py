"""Why persons are told something, as one type of the API for all that name it."""

from __future__ import annotations

from typing import TypeAlias

import strawberry

from mintql.domain.notices import NoticeKind

strawberry.enum(
    NoticeKind,
    name="NotificationKind",
    description="Why a person is told something. BUDGET_FORECAST: it will be exceeded if spending goes on as it does. "
    "UNUSUAL_TRANSACTION: far more than the seller's other charges, a large one of a new seller, or the same one "
    "twice. SYNC_ATTENTION: a connection waits for the person. Each kind can be switched for each channel.",
)

NotificationKind: TypeAlias = NoticeKind
