"""Notes to officers that cases are there: at most once, never a receipt, no coordinates, no pictures."""

import hashlib
from collections.abc import Callable, Mapping

from aerial.errors import AerialError
from aerial.ledger import cases, notices, outbox
from aerial.ledger.store import Ledger
from aerial.records import NotifierConfig
from aerial.settings import Settings, secret_of
from aerial.sinks.digest import Digest, digests
from aerial.sinks.notifiers import make_notifier
from aerial.sinks.notify import Notifier
from aerial.sinks.sink import Busy
from aerial.workspace import Town


def notify(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    environment: Mapping[str, str],
    told: Callable[[str], None],
) -> int:
    """Tell the officers of cases that were delivered since they were told last; return how many notes left.

    A case is told of once it is confirmed at a destination: before, there is nothing to open. Which cases a
    note is about is recorded before it is sent, so that none is sent twice; whether it arrived nobody knows.

    Raises:
        InputError: a notifier cannot be used.
    """
    sent = 0
    for config in settings.notifiers:
        notifier = make_notifier(config, secret_of(config, town.root, environment))
        with ledger.read() as tx:
            fresh = [
                case
                for case in (cases.case(tx, key) for key in outbox.confirmed_keys(tx))
                if case.stage not in ("close", "cancel")
                and not notices.was_told(tx, config.name, case.external_key)
            ]
        for digest in digests(fresh, settings.cases.officers, link=config.link or ""):
            sent += _tell(ledger, config, notifier, digest, told)
    return sent


def _tell(
    ledger: Ledger,
    config: NotifierConfig,
    notifier: Notifier,
    digest: Digest,
    told: Callable[[str], None],
) -> int:
    who = digest.officer.name if digest.officer else "nobody by name"
    keys = [item.external_key for item in digest.items]
    payload = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    with ledger.begin() as tx:
        mine = [key for key in keys if notices.claim_notice(tx, config.name, who, key, payload)]
    if not mine:
        return 0
    try:
        notifier.tell(digest)
    except Busy as error:
        # It says that nothing left: the same may be told later.
        with ledger.begin() as tx:
            for key in mine:
                notices.give_back(tx, config.name, who, key)
        told(f"{config.name}: {error}")
        return 0
    except AerialError as error:
        told(f"{config.name}: {error} {error.hint}")
        return 0
    told(f"{config.name}: {who} is told of {len(keys)} case(s).")
    return 1
