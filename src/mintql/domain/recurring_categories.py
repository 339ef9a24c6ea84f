"""What categories say of what recurs: bills and subscriptions do, shopping seldom does, own transfers do not count."""

from __future__ import annotations

from collections.abc import Iterable

from mintql.domain.categories import CategoryKind, CategoryTree
from mintql.domain.ids import CategoryId
from mintql.domain.recurring_detection import Leaning

SUBSCRIPTIONS = frozenset(
    {
        "tv-and-streaming", "music-and-audio", "software-and-apps", "games", "books-and-news", "gym-and-fitness",
        "memberships", "home-security", "storage-and-moving",
    }
)  # fmt: skip
"""What is taken out and paid until it is ended."""

SUBSCRIPTION_WORDS = frozenset({"membership", "premium", "prime", "subscription"})
"""Words of a seller's key that say so where the category is that of its shop: Amazon Prime is no marketplace."""

BILLS = SUBSCRIPTIONS | frozenset(
    {
        "rent", "mortgage", "property-tax", "association-fees", "electricity-and-gas", "water", "waste",
        "internet-and-cable", "phone", "other-utilities", "car-payment", "student-loan", "childcare", "tuition",
        "auto-insurance", "health-insurance", "home-insurance", "life-insurance", "other-insurance", "loan-payment",
        "family-support", "home-services", "charity", "religious-giving", "bank-fees", "taxes",
        "paycheck", "interest-income", "government-benefits", "retirement-income", "rental-income",
        "child-support-received",
    }
)  # fmt: skip
"""What is mostly paid, or received, again and again."""

HABITS = frozenset(
    {
        "groceries", "restaurants", "fast-food", "coffee", "alcohol-and-bars", "food-delivery", "vending-and-snacks",
        "fuel", "parking", "tolls", "public-transit", "taxi-and-rideshare", "bikes-and-scooters", "convenience-stores",
        "online-marketplaces", "department-stores", "superstores", "discount-stores", "clothing",
        "jewelry-and-accessories", "electronics", "sporting-goods", "gifts-and-flowers", "hobbies-and-toys",
        "tobacco-and-vape", "other-shopping", "furniture", "home-improvement", "household-supplies", "pharmacy",
        "cosmetics", "hair-and-beauty", "movies-and-theatre", "events-and-attractions", "gambling", "flights",
        "lodging", "rental-cars", "pet-supplies", "cash-withdrawal", "atm-fees", "postage-and-shipping",
    }
)  # fmt: skip
"""Where people go again and again without owing it to anybody."""

PAYCHECKS = frozenset({"paycheck", "retirement-income"})
"""Income that a year can be planned by."""

BETWEEN_PEOPLE = frozenset({"person-to-person", "wire-transfer"})
"""Transfers that leave the person: rent is paid so, and children's allowances are."""


def left_out(tree: CategoryTree) -> set[CategoryId]:
    """Return the categories of money that stays the person's own, which is no bill and no income."""
    return {
        leaf.category_id
        for leaf in tree.leaves
        if leaf.kind is CategoryKind.TRANSFER and leaf.slug not in BETWEEN_PEOPLE
    }


def leaning(tree: CategoryTree, category_ids: Iterable[CategoryId]) -> Leaning:
    """Return what these categories of a seller's transactions say, if they agree."""
    slugs = {_slug(tree, category_id) for category_id in set(category_ids)}
    return Leaning(bill=slugs <= BILLS, habit=slugs <= HABITS)


def is_subscription(tree: CategoryTree, category_id: CategoryId, merchant_key: str) -> bool:
    """Tell whether what recurs in this category, or with this seller, is a subscription."""
    words = set(merchant_key.split())
    return _slug(tree, category_id) in SUBSCRIPTIONS or bool(words & SUBSCRIPTION_WORDS)


def is_paycheck(tree: CategoryTree, category_id: CategoryId) -> bool:
    """Tell whether money that comes in this category is pay, or a pension in place of it."""
    return _slug(tree, category_id) in PAYCHECKS


def _slug(tree: CategoryTree, category_id: CategoryId) -> str:
    category = tree.by_id.get(category_id)
    return "" if category is None else category.slug
