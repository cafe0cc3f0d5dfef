"""The nonces that posts carry, and the posts that are on their way: an echo has the nonce, history has none.

Discord takes a nonce of 25 characters at most, and for some minutes posts nothing twice that has the same one. Proved
by `tests/unit/adapters/discord/test_nonces.py`. Source: docs.discord.com/developers/resources/message#create-message
"""

from base64 import urlsafe_b64encode
from collections import OrderedDict
from hashlib import blake2b

REMEMBERED_COUNT = 10_000


class Nonces:
    """The nonces that this process gave out."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def of(self, token: str) -> str:
        """Return the nonce of a part's token; always the same."""
        nonce = urlsafe_b64encode(blake2b(token.encode(), digest_size=18).digest()).decode()
        self._tokens[nonce] = token
        if len(self._tokens) > REMEMBERED_COUNT:
            self._tokens.popitem(last=False)
        return nonce

    def token_of(self, nonce: str | None) -> str | None:
        """Return the token that has this nonce; None when this process did not give it out."""
        return None if nonce is None else self._tokens.get(nonce)
