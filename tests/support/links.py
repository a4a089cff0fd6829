"""Signed links without a signature."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.cases import DOWN


@dataclass(frozen=True)
class Sent:
    """A link to an alert that was sent to somebody."""

    fingerprint: str = DOWN.fingerprint
    receiver: str = "phones"


@dataclass
class Known:
    """The one token ``good``, good once."""

    link: Sent = field(default_factory=Sent)
    used: bool = False

    def look(self, token: str) -> Sent:
        if token != "good" or self.used:
            raise ValueError("this link was used already; each is good once")
        return self.link

    async def use(self, token: str) -> Sent:
        found = self.look(token)
        self.used = True
        return found
