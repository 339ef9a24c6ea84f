"""How a person is told: which kinds on which channels, quiet hours, and what is large or low."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.accounts import Account, load_accounts
from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.money import Money, MoneyInput, money, money_or_none
from mintql.api.nodes import decode_id
from mintql.api.notification_kinds import NotificationKind
from mintql.domain.errors import InvalidInput
from mintql.domain.ids import AccountId
from mintql.domain.low_balance import LIMITABLE, low_balance_limit
from mintql.domain.money import Money as Amount
from mintql.domain.money import parse_minor
from mintql.domain.notices import Channel, Switches, enabled_by_default
from mintql.domain.quiet_hours import QuietHours as Quiet
from mintql.domain.quiet_hours import clock_text, parse_clock
from mintql.services import notification_settings as service
from mintql.store import balance_limits
from mintql.store import notification_settings as store
from mintql.store.balance_limits import BalanceLimit
from mintql.store.queries import Conn

SWITCHES_MAX = len(NotificationKind) * len(Channel)

strawberry.enum(
    Channel,
    name="NotificationChannel",
    description="Where a person is told. INBOX: the list `notifications` and the subscription of that name. EMAIL: "
    "mail, outside of quiet hours. WEBHOOK: the person's own webhooks.",
)


@strawberry.type(description="Whether a kind of notification goes to a channel.")
class NotificationSwitch:
    """One switch."""

    kind: NotificationKind = strawberry.field(description="The kind.")
    channel: Channel = strawberry.field(description="The channel.")
    enabled: bool = strawberry.field(description="Whether it goes there.")
    is_default: bool = strawberry.field(description="Whether that is so because the viewer never said otherwise.")


@strawberry.input(description="Switches a kind of notification on or off on a channel.")
class NotificationSwitchInput:
    """One change."""

    kind: NotificationKind = strawberry.field(description="The kind.")
    channel: Channel = strawberry.field(description="The channel.")
    enabled: bool = strawberry.field(description="Whether it is to go there.")


@strawberry.type(description="Hours in which no mail is sent, by the clock of the viewer's time zone.")
class QuietHours:
    """Quiet hours as shown."""

    start: str = strawberry.field(description='When they begin, e.g. "22:00".')
    end: str = strawberry.field(description='When they end, e.g. "07:00"; over midnight where it is the earlier.')


@strawberry.type(description="Below which balance an account is low.")
class LowBalanceLimit:
    """The limit of one account."""

    account_number: strawberry.Private[AccountId]
    limit: Money | None = strawberry.field(description="The limit; null when the viewer is never told of this account.")
    is_default: bool = strawberry.field(description="Whether that is so because the viewer never said otherwise.")

    @strawberry.field(description="The account.")
    async def account(self, info: Info) -> Account | None:
        return await info.context.loader(load_accounts).load(self.account_number)


@strawberry.type(description="How the viewer is told.")
class NotificationSettings:
    """Everything a person can set about notifications; make it with `settings_node`."""

    switches: list[NotificationSwitch] = strawberry.field(description="Every kind on every channel.")
    quiet_hours: QuietHours | None = strawberry.field(
        description="When no mail is sent; what comes up then is sent at their end. Null: mail is sent at any time."
    )
    time_zone: str = strawberry.field(description="The time zone whose clock counts.")
    large_transaction_limit: Money | None = strawberry.field(
        description="From which amount on spending at once is large, in the viewer's currency. Null: far above what "
        "the viewer's own purchases of the last half year were."
    )
    low_balance_limits: list[LowBalanceLimit] = strawberry.field(
        description="Every account that holds money. Unless told, checking accounts are low below 100.00 (10,000 where "
        "the currency has no decimals), and of others nothing is told."
    )


async def settings_node(context: Context, conn: Conn) -> NotificationSettings:
    """Return the viewer's settings as GraphQL shows them."""
    user_id = context.user_id
    preferences = (await store.preferences_of(conn, [user_id]))[user_id]
    quiet, large = preferences.quiet, preferences.large
    accounts = await balance_limits.limits_of(conn, user_id)
    return NotificationSettings(
        switches=_switches((await store.switches_of(conn, [user_id]))[user_id]),
        quiet_hours=None if quiet is None else QuietHours(start=clock_text(quiet.start), end=clock_text(quiet.end)),
        time_zone=preferences.time_zone,
        large_transaction_limit=None if large is None else money(large.amount_minor, large.currency),
        low_balance_limits=[_low_balance(account) for account in accounts if account.kind in LIMITABLE],
    )


def _switches(switches: Switches) -> list[NotificationSwitch]:
    return [
        NotificationSwitch(
            kind=kind,
            channel=channel,
            enabled=switches.enabled(kind, channel),
            is_default=switches.enabled(kind, channel) == enabled_by_default(kind, channel),
        )
        for kind in NotificationKind
        for channel in Channel
    ]


def _low_balance(account: BalanceLimit) -> LowBalanceLimit:
    limit_minor = low_balance_limit(account.kind, is_set=account.is_set, limit_minor=account.limit_minor)
    return LowBalanceLimit(
        account_number=account.account_id,
        limit=money_or_none(limit_minor, account.currency),
        is_default=not account.is_set,
    )


@strawberry.type
class NotificationSettingsQuery:
    """Reads of settings."""

    @strawberry.field(description="How the viewer is told of what happens.")
    async def notification_settings(self, info: Info) -> NotificationSettings:
        async with info.context.person() as conn:
            return await settings_node(info.context, conn)


@strawberry.type(description="The settings are as asked for.")
class NotificationSettingsSuccess:
    """What changes of settings give when they worked."""

    settings: NotificationSettings = strawberry.field(description="All settings as they are now.")


NotificationSettingsPayload: TypeAlias = Annotated[
    NotificationSettingsSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("NotificationSettingsPayload", description="What became of a change of settings."),
]


@strawberry.type
class NotificationSettingsMutation:
    """Changes of settings."""

    @strawberry.mutation(description="Switches kinds of notifications on or off on channels; others stay as they are.")
    async def update_notification_settings(
        self,
        info: Info,
        switches: Annotated[
            list[NotificationSwitchInput],
            strawberry.argument(
                description=f"What to switch, up to {SWITCHES_MAX}; of the same switch the last counts."
            ),
        ],
    ) -> NotificationSettingsPayload:
        if not 1 <= len(switches) <= SWITCHES_MAX:
            raise InvalidInput(f"Name 1 to {SWITCHES_MAX} switches, not {len(switches)}.", field="switches")
        wanted = {(item.kind, item.channel): item.enabled for item in switches}
        context = info.context
        async with context.person() as conn:
            effects = await service.switch(conn, context.user_id, wanted, context.now())
            settings = await settings_node(context, conn)
        await context.runtime.perform(effects)
        return NotificationSettingsSuccess(settings=settings)

    @strawberry.mutation(
        description="Sets the hours in which no mail is sent, by the clock of the viewer's time zone. Without any, "
        "mail is sent at any time."
    )
    async def set_quiet_hours(
        self,
        info: Info,
        start: Annotated[str | None, strawberry.argument(description='When they begin, e.g. "22:00".')] = None,
        end: Annotated[
            str | None, strawberry.argument(description='When they end, e.g. "07:00". Give both or neither.')
        ] = None,
    ) -> NotificationSettingsPayload:
        quiet = _quiet(start, end)
        context = info.context
        async with context.person() as conn:
            effects = await service.set_quiet_hours(conn, context.user_id, quiet, context.now())
            settings = await settings_node(context, conn)
        await context.runtime.perform(effects)
        return NotificationSettingsSuccess(settings=settings)

    @strawberry.mutation(description="Sets from which amount on spending at once is told as large.")
    async def set_large_transaction_limit(
        self,
        info: Info,
        limit: Annotated[
            MoneyInput | None,
            strawberry.argument(
                description="The amount, in the viewer's currency. Null: far above the viewer's own purchases."
            ),
        ] = None,
    ) -> NotificationSettingsPayload:
        context = info.context
        async with context.person() as conn:
            effects = await service.set_large(conn, context.user_id, _amount(limit), context.now())
            settings = await settings_node(context, conn)
        await context.runtime.perform(effects)
        return NotificationSettingsSuccess(settings=settings)

    @strawberry.mutation(description="Sets below which balance an account is told as low.")
    async def set_low_balance_limit(
        self,
        info: Info,
        account_id: Annotated[strawberry.ID, strawberry.argument(description="The account, one that holds money.")],
        limit: Annotated[
            MoneyInput | None,
            strawberry.argument(description="The balance, in the account's currency. Null: the default of its kind."),
        ] = None,
        never: Annotated[bool, strawberry.argument(description="Whether this account is never to be told of.")] = False,
    ) -> NotificationSettingsPayload:
        context = info.context
        number = AccountId(decode_id("Account", account_id, field="accountId"))
        async with context.person() as conn:
            effects = await service.set_low_balance(
                conn, context.user_id, number, _amount(limit), never=never, now=context.now()
            )
            settings = await settings_node(context, conn)
        await context.runtime.perform(effects)
        return NotificationSettingsSuccess(settings=settings)


def _quiet(start: str | None, end: str | None) -> Quiet | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidInput("Give both start and end, or neither.", field="end" if end is None else "start")
    quiet = Quiet(parse_clock(start, field="start"), parse_clock(end, field="end"))
    if quiet.start == quiet.end:
        raise InvalidInput("Quiet hours have to end at another time than they begin.", field="end")
    return quiet


def _amount(given: MoneyInput | None) -> Amount | None:
    if given is None:
        return None
    return Amount(parse_minor(given.amount, given.currency, field="limit"), given.currency)
