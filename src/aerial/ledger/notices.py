"""Notes to people: claimed before they are sent, so that each leaves at most once."""

import sqlalchemy as sa

from aerial.ledger import audit
from aerial.ledger.schema import notices
from aerial.ledger.transaction import Tx


def claim_notice(tx: Tx, notifier: str, recipient: str, digest_key: str, payload_sha256: str) -> bool:
    """Claim a digest for a recipient; False: it was claimed before, and must not be sent again.

    Whether it arrived nobody knows: a note is no receipt. ``recipient`` is kept as it is given: no secret.
    """
    key = {"notifier": notifier, "recipient": recipient, "digest_key": digest_key}
    here = sa.and_(*(notices.c[name] == value for name, value in key.items()))
    if tx.connection.execute(sa.select(notices.c.digest_key).where(here)).first() is not None:
        return False
    values = {**key, "payload_sha256": payload_sha256, "claimed_at": tx.now}
    tx.connection.execute(notices.insert().values(values))
    audit.append(tx, "notice.claimed", digest_key, {**key, "payload_sha256": payload_sha256})
    return True


def was_told(tx: Tx, notifier: str, digest_key: str) -> bool:
    """Tell whether anybody was told of it by this notifier."""
    here = (notices.c.notifier == notifier) & (notices.c.digest_key == digest_key)
    return tx.connection.execute(sa.select(notices.c.digest_key).where(here)).first() is not None


def give_back(tx: Tx, notifier: str, recipient: str, digest_key: str) -> None:
    """Take a claim back, of a note that is known not to have left."""
    here = (notices.c.notifier == notifier) & (notices.c.recipient == recipient)
    tx.connection.execute(notices.delete().where(here & (notices.c.digest_key == digest_key)))
    audit.append(tx, "notice.given_back", digest_key, {"notifier": notifier, "recipient": recipient})
