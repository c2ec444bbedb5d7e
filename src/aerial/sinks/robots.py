"""The group robots of WeCom (企业微信) and DingTalk (钉钉): HTTP 200 means nothing, ``errcode`` decides."""

import base64
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

from aerial.errors import InputError
from aerial.records import NotifierConfig
from aerial.sinks.digest import Digest, lines, pieces, plain_name, require_placeless
from aerial.sinks.notify import Clock, require_secret, utc_now, web_of
from aerial.sinks.pace import Pace
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.web import Answer, Web

_MOST_BYTES = 4096  # of Markdown for WeCom; DingTalk takes more, a screen does not
_MOST_A_MINUTE = 20
_WINDOW_S = 61.0  # their minute may begin anywhere
_BUSY_CODES = {"wecom": (45009, 45033, -1), "dingtalk": (130101, -1)}
_BLOCKED_S = {"wecom": 60.0, "dingtalk": 600.0}


class WeComRobot:
    """A group robot of WeCom; its key is the secret. See ``Notifier``."""

    kind = "wecom"
    url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"

    def __init__(
        self, config: NotifierConfig, secret: str | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = config.name
        self._key = require_secret(config, secret)
        self._web = web_of(config, self.url, (self._key,))
        self._pace = Pace(min(_MOST_A_MINUTE, config.per_minute), _WINDOW_S, clock)

    def tell(self, digest: Digest) -> None:
        """Send the digest as Markdown that mentions the officer."""
        mention = _mention(self.name, digest)
        texts = _texts(digest, f"<@{mention}>" if mention else "")
        bodies = [{"msgtype": "markdown", "markdown": {"content": text}} for text in texts]
        _send(self._web, self._pace, self.kind, bodies, lambda: {"key": self._key})


class DingTalkRobot:
    """A group robot of DingTalk; the secret is its access token and, after a space, its signing secret."""

    kind = "dingtalk"
    url = "https://oapi.dingtalk.com/robot/send"

    def __init__(
        self,
        config: NotifierConfig,
        secret: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
    ) -> None:
        self.name = config.name
        parts = require_secret(config, secret).split()
        if len(parts) > 2:
            raise InputError(
                f"The secret of the notifier {config.name!r} has {len(parts)} parts.",
                hint="Give the access token, and the signing secret (SEC...) after a space.",
            )
        self._token, self._signing = parts[0], parts[1] if len(parts) == 2 else None
        self._web = web_of(config, self.url, tuple(parts))
        self._pace, self._now = Pace(min(_MOST_A_MINUTE, config.per_minute), _WINDOW_S, clock), now

    def tell(self, digest: Digest) -> None:
        """Send the digest as Markdown that mentions the officer."""
        mention = _mention(self.name, digest)
        bodies: list[dict[str, Any]] = []
        for text in _texts(digest, f"@{mention}" if mention else ""):
            title = f"疑似新增违建 {len(digest.items)} 件"
            at = {"atUserIds": [mention] if mention else [], "isAtAll": False}
            bodies.append({"msgtype": "markdown", "markdown": {"title": title, "text": text}, "at": at})
        _send(self._web, self._pace, self.kind, bodies, self._query)

    def _query(self) -> dict[str, str]:
        """Return what authorises one request: the signature is good for an hour from its timestamp."""
        query = {"access_token": self._token}
        if self._signing:
            stamp = str(round(self._now().timestamp() * 1000))
            mac = hmac.new(self._signing.encode(), f"{stamp}\n{self._signing}".encode(), "sha256")
            query |= {"timestamp": stamp, "sign": base64.b64encode(mac.digest()).decode()}
        return query


def _mention(name: str, digest: Digest) -> str | None:
    mention = digest.officer.accounts.get(name) if digest.officer else None
    if mention and (plain_name(mention) != mention or " " in mention):
        raise InputError(
            f"{name}: the mention of an officer is not a user id.",
            hint="Write the user id in that group: letters, digits, dots and hyphens.",
        )
    return mention or None


def _texts(digest: Digest, mention: str) -> tuple[str, ...]:
    title, *rest = lines(digest)
    texts = pieces([f"{title} {mention}".strip(), *rest], _MOST_BYTES)
    if len(texts) > _MOST_A_MINUTE:
        raise InputError(
            f"A digest of {len(digest.items)} cases is more than a robot takes in a minute.",
            hint="Tell smaller batches, or shorten the link in the settings.",
        )
    require_placeless(*texts)
    return texts


def _send(
    web: Web, pace: Pace, kind: str, bodies: list[dict[str, Any]], query: Callable[[], Mapping[str, str]]
) -> None:
    # Room for all parts at once: a digest is told whole or not yet.
    if wait_s := pace.take(len(bodies)):
        raise Busy(
            f"{web.name}: the robot takes {_MOST_A_MINUTE} messages a minute.",
            hint="It is tried again after the pause.",
            retry_after_s=wait_s,
        )
    for number, body in enumerate(bodies):
        try:
            _judge(web, kind, web.ask("POST", "", writes=True, query=query(), json=body))
        except Busy as busy:
            pace.block(busy.retry_after_s or _BLOCKED_S[kind])
            if number == 0:
                raise
            raise Ambiguous(
                f"{web.name}: {number} of {len(bodies)} parts were sent, then the robot was busy.",
                hint="Nothing is sent again: look at the cases themselves.",
            ) from busy


def _judge(web: Web, kind: str, answer: Answer) -> None:
    said = answer.json()
    code = said.get("errcode") if isinstance(said, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        raise answer.nonsense("no errcode")
    if code == 0:
        return
    what = f"{web.name}: errcode {code}: {web.clean(str(said.get('errmsg', '')))}"
    if code in _BUSY_CODES[kind]:
        raise Busy(what, hint="It is tried again after the pause.", retry_after_s=_BLOCKED_S[kind])
    raise Rejected(what, hint="Check the robot's key, signing secret, keywords and list of addresses.")
