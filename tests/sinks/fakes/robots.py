"""The robots' services and a receiver of webhooks, on loopback."""

import base64
import hmac
from typing import Any

from tests.sinks.fakes.http import Asked, FakePeer, Said


class RobotFake(FakePeer):
    """Answers HTTP 200 whatever happens, as both services do; ``code`` is what it says next."""

    def __init__(self, *, key: str = "", token: str = "", signing: str = "") -> None:
        super().__init__()
        self.key, self.token, self.signing = key, token, signing
        self.code: Any = 0
        self.messages: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Said:
        """Take a message."""
        if self.code:
            said = (
                self.code
                if isinstance(self.code, dict)
                else {"errcode": self.code, "errmsg": f"no {asked.query}"}
            )
            return 200, said
        good = asked.query.get("key") == self.key if self.key else self._signed(asked)
        if not good:
            return 200, {"errcode": 93000, "errmsg": f"invalid webhook url {asked.query}"}
        self.messages.append(asked.json())
        return 200, {"errcode": 0, "errmsg": "ok"}

    def _signed(self, asked: Asked) -> bool:
        text = f"{asked.query.get('timestamp')}\n{self.signing}"
        mac = base64.b64encode(hmac.new(self.signing.encode(), text.encode(), "sha256").digest()).decode()
        return asked.query.get("access_token") == self.token and asked.query.get("sign") == mac


class ReceiverFake(FakePeer):
    """Keeps what was posted."""

    def answer(self, asked: Asked) -> Said:
        """Take anything."""
        return 204, None
