"""The OAuth stores: what is found again, what is forgotten, and that no token is ever shown or stored in clear."""

import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from slack_sdk.oauth.installation_store import Bot, Installation

from backscroll.adapters.slack.installations import (
    FOUND_S,
    INSTALLATIONS,
    MISSING_S,
    PRUNE_S,
    REMEMBERED_COUNT,
    STATE_S,
    STATES,
    Installations,
    OAuthStates,
)
from backscroll.errors import AdapterError, StorageUnavailableError
from backscroll.storage import memory, sql
from backscroll.storage.provider import StorageProvider

# No random ones: the workers of one run must name the tests alike.
KEY, OTHER_KEY = (base64.urlsafe_b64encode(bytes([each] * 32)).decode() for each in (1, 2))
APP = "123.456"
AWAY = StorageUnavailableError("The storage does not answer.")


class Watched(memory.Provider):
    """The memory provider, which counts what it is asked, and does not answer while it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.gets_count = 0
        self.is_away = False

    async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
        self.gets_count += 1
        if self.is_away:
            raise AWAY
        return await super().get(namespace, key)

    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        await super().set(namespace, key, value)
        if self.is_away:
            raise AWAY


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StorageProvider]:
    """Give each kind in turn."""
    provider = memory.Provider() if request.param == "memory" else sql.Provider(str(tmp_path / "bot.db"))
    await provider.initialize()
    yield provider
    await provider.close()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store_on(storage: StorageProvider, keys: str = KEY, app: str = APP) -> Installations:
    return Installations(storage, keys, app)


def installation(user: str = "U1", *, token: str | None = "xoxb-CANARY-1", **fields: Any) -> Installation:
    """Make what `oauth.v2.access` gives for team T1, with every secret that it may hold."""
    everything: dict[str, Any] = {
        "app_id": "A1",
        "team_id": "T1",
        "team_name": "Team",
        "bot_token": token,
        "bot_id": "B1",
        "bot_user_id": "UB1",
        "bot_scopes": "chat:write,im:history",
        "bot_refresh_token": "xoxe-CANARY-2",
        "bot_token_expires_at": 1_800_000_000,
        "user_id": user,
        "user_token": f"xoxp-CANARY-{user}",
        "user_scopes": ["search:read"],
        "user_refresh_token": "xoxe-CANARY-3",
        "incoming_webhook_url": "https://hooks.slack.com/services/CANARY",
        "token_type": "bot",
        "installed_at": 1_700_000_000.5,
        "custom_values": {"note": "CANARY"},
    }
    return Installation(**(everything | fields))


async def found(store: Installations, user: str | None = None, **where: Any) -> Installation | None:
    place: dict[str, Any] = {"enterprise_id": None, "team_id": "T1"} | where
    return await store.async_find_installation(user_id=user, **place)


async def bot_of(store: Installations, **where: Any) -> Bot | None:
    place: dict[str, Any] = {"enterprise_id": None, "team_id": "T1"} | where
    return await store.async_find_bot(**place)


async def token_of(store: Installations, **where: Any) -> str | None:
    bot = await bot_of(store, **where)
    return None if bot is None else bot.bot_token


def everything_in(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


# What is found again


async def test_find_gives_what_was_saved(storage: StorageProvider) -> None:
    await store_on(storage).async_save(installation())
    again = store_on(storage)
    kept, bot = await found(again), await bot_of(again)
    assert kept is not None
    assert bot is not None
    assert kept.to_dict() == installation().to_dict()
    assert bot.to_dict() == installation().to_bot().to_dict()


async def test_find_gives_none_where_nobody_installed_the_app(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    assert await found(store, team_id="T2") is None
    assert await found(store, enterprise_id="E1") is None
    assert await found(store, user="U2") is None
    assert await bot_of(store, team_id="T2") is None
    assert await bot_of(store_on(storage, app="another.app")) is None


async def test_find_gives_the_installation_that_was_saved_last(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation("U1", installed_at=1_900_000_000.0))
    await store.async_save(installation("U2", token="xoxb-CANARY-9", installed_at=1_700_000_000.0))
    kept = await found(store)
    assert kept is not None
    assert (kept.user_id, kept.bot_token) == ("U2", "xoxb-CANARY-9")


async def test_find_gives_each_person_their_own_tokens_and_the_workspaces_bot(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation("U1"))
    await store.async_save(installation("U2", token="xoxb-CANARY-9"))
    kept = await found(store, user="U1")
    assert kept is not None
    assert (kept.user_token, kept.bot_token) == ("xoxp-CANARY-U1", "xoxb-CANARY-9")


async def test_find_gives_the_bot_beside_an_installation_without_one(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation("U1"))
    await store.async_save(installation("U2", token=None))
    kept = await found(store)
    assert kept is not None
    assert (kept.user_id, kept.bot_token) == ("U2", "xoxb-CANARY-1")


async def test_find_gives_a_bots_new_token(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    renewed = installation().to_bot()
    renewed.bot_token = "xoxb-CANARY-9"
    await store.async_save_bot(renewed)
    kept = await found(store, user="U1")
    assert kept is not None
    assert kept.bot_token == await token_of(store) == "xoxb-CANARY-9"


async def test_find_keeps_an_enterprise_apart_from_its_workspaces(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation(token="xoxb-org", enterprise_id="E1", team_id=None, is_enterprise_install=True))
    await store.async_save(installation(token="xoxb-team", enterprise_id="E1"))
    assert await token_of(store, enterprise_id="E1", is_enterprise_install=True) == "xoxb-org"
    assert await token_of(store, enterprise_id="E1", team_id=None) == "xoxb-org"
    assert await token_of(store, enterprise_id="E1") == "xoxb-team"
    kept = await found(store, enterprise_id="E1", is_enterprise_install=True)
    assert kept is not None
    assert kept.is_enterprise_install


async def test_find_gives_a_copy(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    for _ in range(2):
        kept = await found(store)
        assert kept is not None
        assert (kept.user_token, kept.custom_values) == ("xoxp-CANARY-U1", {"note": "CANARY"})
        kept.user_token = None
        kept.set_custom_value("note", "changed")


# What is deleted


async def test_delete_of_a_bot_takes_its_token_from_every_installation(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    await store.async_delete_bot(enterprise_id=None, team_id="T1")
    kept = await found(store)
    assert kept is not None
    assert (kept.bot_token, kept.bot_refresh_token, kept.user_token) == (None, None, "xoxp-CANARY-U1")
    assert await bot_of(store) is None


async def test_delete_of_a_bot_leaves_its_tokens_nowhere_for_whoever_has_the_key(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    await store.async_delete_bot(enterprise_id=None, team_id="T1")
    opened = [Fernet(KEY).decrypt(row["sealed"]).decode() for row in await storage.query(INSTALLATIONS, {})]
    assert ["xoxp-CANARY-U1" in text for text in opened] == [True, True]
    assert ["xoxb-CANARY-1" in text or "xoxe-CANARY-2" in text for text in opened] == [False, False]


async def test_delete_of_a_person_leaves_the_newest_of_the_others(storage: StorageProvider) -> None:
    store = store_on(storage)
    for user, installed_at in [("U1", 2.0), ("U2", 1.0), ("U3", 3.0)]:
        await store.async_save(installation(user, installed_at=installed_at))
    await store.async_delete_installation(enterprise_id=None, team_id="T1", user_id="U3")
    kept = await found(store)
    assert kept is not None
    assert (kept.user_id, kept.bot_token) == ("U1", "xoxb-CANARY-1")
    assert await found(store, user="U3") is None


async def test_delete_of_all_leaves_nothing_of_the_workspace(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation("U1"))
    await store.async_save(installation("U2"))
    await store.async_save(installation(team_id="T2"))
    await store.async_delete_all(enterprise_id=None, team_id="T1")
    assert (await found(store), await found(store, user="U1"), await bot_of(store)) == (None, None, None)
    assert {row["workspace"] for row in await storage.query(INSTALLATIONS, {})} == {'["123.456","","T2"]'}


async def test_delete_is_silent_where_there_is_nothing(storage: StorageProvider) -> None:
    await store_on(storage).async_delete_all(enterprise_id=None, team_id="T1")
    assert await storage.query(INSTALLATIONS, {}) == []


# What is remembered


@pytest.mark.parametrize("is_installed", [True, False])
async def test_find_asks_the_storage_once_within_its_time(watched: Watched, clock: Clock, is_installed: bool) -> None:
    store = Installations(watched, KEY, APP, clock=clock)
    if is_installed:
        await store.async_save(installation())
    life_s = FOUND_S if is_installed else MISSING_S
    counts = []
    for elapsed_s in (0, life_s - 0.1, 0.1):
        clock.now += elapsed_s
        assert (await bot_of(store) is not None) == is_installed
        counts.append(watched.gets_count)
    assert counts == [1, 1, 2]


async def test_find_sees_what_this_process_changed_at_once(watched: Watched) -> None:
    store = store_on(watched)
    tokens = [await token_of(store)]
    await store.async_save(installation())
    tokens.append(await token_of(store))
    renewed = installation().to_bot()
    renewed.bot_token = "xoxb-CANARY-9"
    await store.async_save_bot(renewed)
    tokens.append(await token_of(store))
    await store.async_delete_bot(enterprise_id=None, team_id="T1")
    tokens.append(await token_of(store))
    assert tokens == [None, "xoxb-CANARY-1", "xoxb-CANARY-9", None]


async def test_find_does_not_remember_what_a_change_overtook() -> None:
    class Slow(memory.Provider):
        store: Installations

        async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
            row = await super().get(namespace, key)
            await self.store.async_delete_all(enterprise_id=None, team_id="T1")
            return row

    storage = Slow()
    storage.store = store_on(storage)
    await storage.store.async_save(installation())
    assert [await token_of(storage.store), await token_of(storage.store)] == ["xoxb-CANARY-1", None]


async def test_find_forgets_after_a_save_of_unknown_outcome(watched: Watched) -> None:
    store = store_on(watched)
    assert await token_of(store) is None
    watched.is_away = True
    with pytest.raises(StorageUnavailableError):
        await store.async_save(installation())
    watched.is_away = False
    assert await token_of(store) == "xoxb-CANARY-1"


async def test_find_remembers_no_more_than_its_room(watched: Watched) -> None:
    store = store_on(watched)
    for number in range(REMEMBERED_COUNT + 1):
        await bot_of(store, team_id=f"T{number}")
    assert len(store._remembered) == 1


async def test_find_raises_while_the_storage_is_away(watched: Watched) -> None:
    store = store_on(watched)
    watched.is_away = True
    with pytest.raises(StorageUnavailableError):
        await found(store)
    with pytest.raises(StorageUnavailableError):
        await bot_of(store)


# Secrets


async def test_save_leaves_no_token_in_the_storage(storage: StorageProvider, tmp_path: Path) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    await store.async_save_bot(installation().to_bot())
    state = await OAuthStates(storage).async_issue()
    rows = [*await storage.query(INSTALLATIONS, {}), *await storage.query(STATES, {})]
    content = everything_in(tmp_path)
    assert len(rows) == 4
    for secret in ("CANARY", state, "https://hooks"):
        assert secret not in str(rows)
        assert secret.encode() not in content


async def test_nothing_shows_a_token(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store, states = store_on(watched), OAuthStates(watched)
    await store.async_save(installation())
    await found(store, user="U1")
    state = await states.async_issue()
    with pytest.raises(AdapterError) as caught:
        await bot_of(store_on(watched, OTHER_KEY))
    shown = f"{store!r}{states!r}{caught.value!r}{caught.value.__context__!r}{caplog.text}{store.logger}{states.logger}"
    assert "CANARY" not in shown
    assert KEY not in shown
    assert state not in shown


async def test_find_reads_with_each_key_and_save_writes_with_the_first(storage: StorageProvider) -> None:
    await store_on(storage, KEY).async_save(installation())
    both = store_on(storage, f"{OTHER_KEY}, {KEY}")
    assert await token_of(both) == "xoxb-CANARY-1"
    await both.async_save(installation(token="xoxb-CANARY-9"))
    assert await token_of(store_on(storage, OTHER_KEY)) == "xoxb-CANARY-9"


async def test_find_names_the_workspace_that_no_key_opens(storage: StorageProvider) -> None:
    await store_on(storage).async_save(installation())
    await store_on(storage).async_save(installation(enterprise_id="E1", team_id=None, is_enterprise_install=True))
    store = store_on(storage, OTHER_KEY)
    with pytest.raises(AdapterError) as caught:
        await found(store)
    assert caught.value.message == "The installation of the app in T1 was encrypted with another key."
    assert caught.value.hint == "Add that key to encryption_key, behind a comma, or install the app there again."
    with pytest.raises(AdapterError, match="in E1 was"):
        await bot_of(store, enterprise_id="E1", is_enterprise_install=True)


async def test_save_mends_what_no_key_opens(storage: StorageProvider) -> None:
    await store_on(storage, KEY).async_save(installation())
    store = store_on(storage, OTHER_KEY)
    await store.async_save(installation(token="xoxb-CANARY-9"))
    kept = await found(store)
    assert kept is not None
    assert kept.bot_token == "xoxb-CANARY-9"


@pytest.mark.parametrize(
    ("keys", "number"), [("hunter2", 1), (f"{KEY},hunter2", 2), (f"{KEY},", 2), ("", 1), ("hunter2-é", 1)]
)
def test_store_refuses_a_key_that_is_none_and_tells_how_to_make_one(watched: Watched, keys: str, number: int) -> None:
    with pytest.raises(AdapterError) as caught:
        store_on(watched, keys)
    assert caught.value.message == f"Key {number} of adapters.slack.oauth.encryption_key is no Fernet key."
    assert "Fernet.generate_key()" in caught.value.hint
    assert "hunter2" not in f"{caught.value!r}{caught.value.__context__!r}"


# Marks of installations under way


async def test_state_is_taken_once(storage: StorageProvider) -> None:
    states = OAuthStates(storage)
    state = await states.async_issue()
    assert [await states.async_consume(state), await OAuthStates(storage).async_consume(state)] == [True, False]


async def test_state_is_taken_by_another_process(storage: StorageProvider) -> None:
    state = await OAuthStates(storage).async_issue()
    assert await OAuthStates(storage).async_consume(state)


@pytest.mark.parametrize("state", ["", "unknown", "x" * 10_000, "\0", "\ud800"])
async def test_state_that_nobody_issued_is_refused(storage: StorageProvider, state: str) -> None:
    states = OAuthStates(storage)
    await states.async_issue()
    assert not await states.async_consume(state)


@pytest.mark.parametrize(("age_s", "is_good"), [(STATE_S - 1, True), (STATE_S, False)])
async def test_state_is_good_for_its_time(storage: StorageProvider, clock: Clock, age_s: float, is_good: bool) -> None:
    states = OAuthStates(storage, clock=clock)
    state = await states.async_issue()
    clock.now += age_s
    assert await states.async_consume(state) == is_good


async def test_states_are_all_different(watched: Watched) -> None:
    states = OAuthStates(watched)
    assert len({await states.async_issue() for _ in range(100)}) == 100


async def test_issue_removes_what_nobody_came_back_with(storage: StorageProvider, clock: Clock) -> None:
    states = OAuthStates(storage, clock=clock)
    for _ in range(3):
        await states.async_issue()
    clock.now += STATE_S + PRUNE_S
    state = await states.async_issue()
    assert len(await storage.query(STATES, {})) == 1
    assert await states.async_consume(state)


async def test_state_raises_while_the_storage_is_away(watched: Watched) -> None:
    states = OAuthStates(watched)
    state = await states.async_issue()
    watched.is_away = True
    with pytest.raises(StorageUnavailableError):
        await states.async_issue()
    with pytest.raises(StorageUnavailableError):
        await states.async_consume(state)
    watched.is_away = False
    assert await states.async_consume(state)


# By the names that keys have


async def test_find_named_gives_a_workspaces_bot_and_an_enterprises(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation(token="xoxb-1"))
    await store.async_save(installation(token="xoxb-E", enterprise_id="E1", team_id=None, is_enterprise_install=True))
    bots = [await store.find_named(name) for name in ("T1", "E1", "T2")]
    assert [None if bot is None else bot.bot_token for bot in bots] == ["xoxb-1", "xoxb-E", None]


async def test_find_named_gives_no_other_apps_bot(storage: StorageProvider) -> None:
    await store_on(storage, app="other").async_save(installation())
    assert await store_on(storage).find_named("T1") is None


async def test_find_named_forgets_a_bot_that_is_deleted(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation())
    assert await store.find_named("T1") is not None
    await store.async_delete_bot(enterprise_id=None, team_id="T1")
    assert await store.find_named("T1") is None


async def test_names_are_those_of_all_that_have_a_bot(storage: StorageProvider) -> None:
    store = store_on(storage)
    await store.async_save(installation(team_id="T2"))
    await store.async_save(installation())
    await store.async_save(installation(team_id="T3", token=None))
    assert await store.names() == ["T1", "T2"]
