import pytest

from backscroll.adapters.discord import nonces
from backscroll.adapters.discord.nonces import Nonces


def test_nonce_of_a_token_is_always_the_same() -> None:
    assert Nonces().of("0190f5d2-0000-7000-8000-000000000001.1") == Nonces().of(
        "0190f5d2-0000-7000-8000-000000000001.1"
    )


def test_nonces_of_two_tokens_differ() -> None:
    assert Nonces().of("a.1") != Nonces().of("a.2")


def test_nonce_has_no_more_characters_than_discord_takes() -> None:
    assert len(Nonces().of("x" * 500)) <= 25


def test_token_is_found_by_the_nonce_that_was_given_out() -> None:
    given = Nonces()
    assert given.token_of(given.of("a.1")) == "a.1"


def test_nonce_of_another_process_names_no_token() -> None:
    assert Nonces().token_of(Nonces().of("a.1")) is None


def test_old_nonces_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "REMEMBERED_COUNT", 2)
    given = Nonces()
    first = given.of("a.1")
    given.of("a.2")
    given.of("a.3")
    assert given.token_of(first) is None
