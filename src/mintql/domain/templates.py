"""Budgets for somebody who has set none: shares of a spending plan that depend on income.

The table behind it says, for typical incomes, which part of the income is spent and on what. Between two
typical incomes the monthly amounts lie on a straight line, so that a little more income never means a jump.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from mintql.domain.ids import CategoryId
from mintql.domain.money import exponent, to_decimal_text

MONTHS_PER_YEAR = 12
BASIS_POINTS = 10_000
LEADING_DIGITS = 3
"""A limit of the template keeps this many digits: more would feign an accuracy that no survey has."""
INCOMES_KEPT_MAX = 4_096
"""Each read of budgets asks for the limits of one income anew."""
TIER_CURRENCY = "USD"
TIER_CURRENCY_MINOR_PER_UNIT = 100


@dataclass(frozen=True, slots=True)
class Tier:
    """What households around one income spend.

    `income` is a year's, before taxes, in whole US dollars. `plan_basis_points` is the part of it that is
    spent, at most all of it; `shares_basis_points` says on which groups and adds up to 10,000.
    """

    name: str
    income: int
    plan_basis_points: int
    shares_basis_points: Mapping[CategoryId, int]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Tiers by ascending income, and the overall household for those whose income is unknown; equal to itself only."""

    overall: Tier
    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` when a tier cannot be used."""
        for tier in (self.overall, *self.tiers):
            if sum(tier.shares_basis_points.values()) != BASIS_POINTS:
                raise ValueError(f"the shares of tier {tier.name} do not add up to {BASIS_POINTS}")
            if tier.shares_basis_points.keys() != self.overall.shares_basis_points.keys():
                raise ValueError(f"tier {tier.name} speaks of other categories than the overall one")
            if not 0 < tier.plan_basis_points <= BASIS_POINTS:
                raise ValueError(f"the plan of tier {tier.name} is not a part of its income")
        incomes = [tier.income for tier in self.tiers]
        if not incomes or incomes != sorted(set(incomes)) or incomes[0] <= 0:
            raise ValueError("tiers must be in ascending order of income")


@lru_cache(maxsize=INCOMES_KEPT_MAX)
def monthly_limits(template: Template, annual_income_minor: int | None, currency: str) -> Mapping[CategoryId, int]:
    """Return the template's monthly limit of each group, in minor units of `currency`.

    Each is rounded down to whole units of the currency and to three leading digits, so a year of them never
    exceeds the plan, nor the plan the income. Tiers are about US dollars; a stated income in another
    currency gets the shares of the overall household. Without an income, it is the overall household's.
    """
    if annual_income_minor is None:
        yearly = _yearly_at(template.overall, _overall_income_minor(template))
    elif currency == TIER_CURRENCY:
        yearly = _yearly_between(template.tiers, annual_income_minor)
    else:
        yearly = _yearly_at(template.overall, annual_income_minor)
    unit_minor = 10 ** exponent(currency)
    return MappingProxyType(
        {
            category_id: _rounded(amount_minor // MONTHS_PER_YEAR, unit_minor)
            for category_id, amount_minor in yearly.items()
        }
    )


def template_basis(
    template: Template, annual_income_minor: int | None, currency: str, *, detected: bool = False
) -> str:
    """Say in words what the template's limits rest on; `detected` is an income that was found in paychecks."""
    if annual_income_minor is not None:
        income = f"{to_decimal_text(annual_income_minor, currency)} {currency} a year"
        if detected:
            income += ", detected from your paychecks,"
        if currency == TIER_CURRENCY:
            return f"What US households with an income around {income} spend."
        return f"What the average US household spends, as shares of an income of {income.rstrip(',')}."
    income = f"{to_decimal_text(_overall_income_minor(template), currency)} {currency} a year"
    if currency == TIER_CURRENCY:
        return f"What the average US household spends, with an income of {income}, as no income is stated."
    return (
        f"What the average US household spends. No income is stated, so one of {income} is assumed, "
        f"a number that was surveyed in {TIER_CURRENCY}: state your income for limits that fit."
    )


def _overall_income_minor(template: Template) -> int:
    # The same number of minor units whatever the currency: far nearer to usual incomes than the same number
    # of whole units where a currency has no decimals (yen, won) or three (dinar).
    return template.overall.income * TIER_CURRENCY_MINOR_PER_UNIT


def _yearly_at(tier: Tier, income_minor: int) -> dict[CategoryId, int]:
    return {
        category_id: income_minor * tier.plan_basis_points * share // BASIS_POINTS**2
        for category_id, share in tier.shares_basis_points.items()
    }


def _yearly_between(tiers: Sequence[Tier], income_minor: int) -> dict[CategoryId, int]:
    """Return yearly amounts on the line between the nearest tiers; beyond the outer ones, in proportion."""
    above = next((index for index, tier in enumerate(tiers) if income_minor < _income_minor(tier)), len(tiers))
    if above == 0:
        return _yearly_at(tiers[0], income_minor)
    if above == len(tiers):
        return _yearly_at(tiers[-1], income_minor)
    low, high = tiers[above - 1], tiers[above]
    low_amounts, high_amounts = _yearly_at(low, _income_minor(low)), _yearly_at(high, _income_minor(high))
    offset_minor, span_minor = income_minor - _income_minor(low), _income_minor(high) - _income_minor(low)
    return {
        category_id: amount + (high_amounts[category_id] - amount) * offset_minor // span_minor
        for category_id, amount in low_amounts.items()
    }


def _income_minor(tier: Tier) -> int:
    return tier.income * TIER_CURRENCY_MINOR_PER_UNIT


def _rounded(amount_minor: int, unit_minor: int) -> int:
    units = amount_minor // unit_minor
    step: int = 10 ** max(0, len(str(units)) - LEADING_DIGITS)
    return units // step * step * unit_minor
