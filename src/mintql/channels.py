"""The channels that a worker tells persons on, outside of the API. `services.notify` works them off."""

from __future__ import annotations

from mintql.gateways.mail import open_mailer
from mintql.runtime import Runtime
from mintql.services import outgoing_webhooks
from mintql.services.extract import utc_now
from mintql.services.mail import MailChannel
from mintql.services.notify import Deliver
from mintql.services.unsubscribe import UnsubscribeLinks
from mintql.store.outbox import Delivery


def mail_channel(runtime: Runtime) -> MailChannel:
    """Return the channel of mails, which skips what it is given where no mail server is set up."""
    settings = runtime.settings
    links = UnsubscribeLinks(settings.keyring(), settings.public_url) if settings.public_url else None
    return MailChannel(runtime.system, open_mailer(settings), links, settings.public_url)


def outside_channels(runtime: Runtime) -> dict[str, Deliver]:
    """Return the channels that this process can deliver on, by their names in the outbox."""

    async def live(item: Delivery) -> None:
        if not await runtime.channel.publish([item.user_id]):
            raise ConnectionError("the wake-up could not be published")

    async def webhook(item: Delivery) -> None:
        async with runtime.system() as conn:
            effects = await outgoing_webhooks.fan_out_notice(conn, item.user_id, item.seq, utc_now())
        await runtime.perform(effects)

    return {"live": live, "email": mail_channel(runtime).deliver, "webhook": webhook}
