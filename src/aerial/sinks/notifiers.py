"""Notifiers by the name of their kind."""

from aerial.errors import InputError
from aerial.records import NotifierConfig
from aerial.sinks.notify import Notifier
from aerial.sinks.robots import DingTalkRobot, WeComRobot
from aerial.sinks.webhook import Webhook

KINDS: dict[str, type[WeComRobot] | type[DingTalkRobot] | type[Webhook]] = {
    "wecom": WeComRobot,
    "dingtalk": DingTalkRobot,
    "webhook": Webhook,
}


def make_notifier(config: NotifierConfig, secret: str | None) -> Notifier:
    """Return the notifier of a configuration.

    Raises:
        InputError: the kind is unknown, or the configuration cannot work.
    """
    if config.kind not in KINDS:
        raise InputError(
            f"The notifier {config.name!r} is of the unknown kind {config.kind!r}.",
            hint=f"Use one of: {', '.join(KINDS)}.",
        )
    return KINDS[config.kind](config, secret)
