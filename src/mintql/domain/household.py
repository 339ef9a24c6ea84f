"""What a person lets another see or manage of their accounts and budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mintql.domain.ids import AccountId, CategoryId, ShareId, UserId

SHARES_MAX = 20
"""How many shares of a person may stand or wait at a time."""
SHARES_LISTED_MAX = 200
ACCOUNTS_NAMED_MAX = 200
BUDGETS_NAMED_MAX = 200
INVITATION_DAYS = 7


class ShareRole(StrEnum):
    """What a member may do."""

    VIEWER = "viewer"
    MANAGER = "manager"


class ShareState(StrEnum):
    """How far a share is."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REVOKED = "revoked"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Extent:
    """What is shared, and as what. None stands for all accounts or all budgets, later ones too."""

    role: ShareRole
    account_ids: tuple[AccountId, ...] | None
    budget_ids: tuple[CategoryId, ...] | None

    @property
    def is_whole(self) -> bool:
        """Whether every account is shared, so that sums over all of them may be shown."""
        return self.account_ids is None

    def has_budget(self, category_id: CategoryId) -> bool:
        """Tell whether the budget of a category is shared."""
        return self.budget_ids is None or category_id in self.budget_ids


@dataclass(frozen=True, slots=True)
class Share:
    """A share as its owner sees it."""

    share_id: ShareId
    email: str
    extent: Extent
    state: ShareState
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A share as its member sees it."""

    share_id: ShareId
    owner_id: UserId
    owner_name: str
    owner_email: str
    extent: Extent
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Entered:
    """A share that a request goes through: whose rows it reads, and which of them."""

    share_id: ShareId
    owner_id: UserId
    extent: Extent
