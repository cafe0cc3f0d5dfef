"""Approvals on Slack: what is pressed is kept before it is acknowledged, counts once, and shows who decided."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.fernet import Fernet

from backscroll.adapters.base import Question, Verdict
from backscroll.adapters.slack import SlackAdapter
from backscroll.bot.approvals import told
from backscroll.bot.config import BotConfig, SlackHttpConfig, SlackOAuthConfig
from backscroll.bot.manager import ConversationManager
from backscroll.bot.turn import Turn
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory
from backscroll.storage.keys import ExternalId
from backscroll.storage.records import Outcome, Part
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack, Fault
from backscroll.testing.slack.interactions import pressed
from backscroll.testing.slack.models import Channel, User
from backscroll.testing.slack.models import Message as Said
from tests.scenario.program import PATIENCE_S, Home
from tests.scenario.slack import MODES, Mode, Stage, config_of, external_of, free_port, key_of, on_stage, running
from tests.scenario.test_slack_workspaces import install

Json = dict[str, Any]
CANARY = "xyzzy-4711"
LONE = "a\ud800b"
QUESTION = Part("approval-1", 1, "token-1", "Delete 3 files?", "waiting", kind="approval")
everywhere = pytest.mark.parametrize("mode", MODES)


class Desk(ConversationManager):
    """An inbox that notes each decision, and answers with a verdict of the test's."""

    def __init__(self) -> None:
        super().__init__(memory.Provider())
        self.decisions: list[tuple[str, str, bool]] = []
        self.verdict: Verdict | StorageUnavailableError = "decided"

    async def decide(self, approval_id: str, user_id: str, *, approved: bool) -> Verdict:
        if LONE in approval_id:
            raise ValueError("A text holds a lone surrogate.")
        self.decisions.append((approval_id, user_id, approved))
        if isinstance(self.verdict, StorageUnavailableError):
            raise self.verdict
        return self.verdict


@dataclass
class Scene:
    """The adapter alone, served to a desk: anna has asked in a thread, and is asked back."""

    slack: FakeSlack
    adapter: SlackAdapter
    desk: Desk
    anna: User
    root: Said
    asked: Said

    @property
    def external(self) -> ExternalId:
        return external_of(self.asked)

    def payload(self, **fields: Any) -> Json:
        """Make what a press sends, with fields replaced."""
        return pressed(self.slack._workspace, self.anna, self.asked, "Yes") | fields

    async def told(self) -> list[Json]:
        """Wait until somebody is told something alone, and return what and whom."""
        await self.slack.until(lambda: self.slack.calls_of("chat.postEphemeral"))
        return self.slack.calls_of("chat.postEphemeral")


@asynccontextmanager
async def served(mode: Mode = "socket", *, org_wide: bool = False) -> AsyncIterator[Scene]:
    async with FakeSlack() as slack:
        team = slack.add_team("Org", org_wide=True) if org_wide else slack.team
        desk, settings = Desk(), config_of(slack, "sqlite://", mode, bot_token=team.bot_token).adapters.slack
        assert settings is not None
        if mode == "http":
            slack.request_url = f"http://127.0.0.1:{settings.http.port}{settings.http.path}"
        anna = slack.add_user("anna", team=team)
        general = slack.add_channel("general", members=[anna], team=team)
        async with SlackAdapter(settings, desk.provider) as adapter:
            serving = asyncio.create_task(adapter.serve(desk))
            await slack.until(lambda: slack.socket_count if mode == "socket" else verified(slack))
            root = await slack.say(anna, general, "hi")
            question = Question(key_of(root), external_of(root), anna.id)
            external = await adapter.post(question, QUESTION)
            yield Scene(slack, adapter, desk, anna, root, slack.message(general, external.id))
            serving.cancel()
            await asyncio.wait([serving])


async def verified(slack: FakeSlack) -> bool:
    try:
        return await slack.verify_url()
    except OSError:
        return False


async def is_not_kept(_external: ExternalId) -> bool:
    return False


def types_of(post: Said) -> list[str]:
    return [block["type"] for block in post.blocks or []]


# Posts


async def test_question_stands_in_the_thread_with_its_buttons_and_is_found_by_its_token() -> None:
    async with served() as scene:
        assert (scene.asked.text, scene.asked.root) == ("Delete 3 files?", scene.root)
        assert types_of(scene.asked) == ["markdown", "actions"]
        question = Question(key_of(scene.root), external_of(scene.root), scene.anna.id)
        found = await scene.adapter.find_posted(question, [QUESTION], is_not_kept)
        assert found == {1: scene.external}


async def test_closed_question_says_the_decision_and_has_no_buttons() -> None:
    async with served() as scene:
        for _ in range(2):
            await scene.adapter.close_approval(key_of(scene.root), scene.external, "Delete 3 files? **Yes**")
        assert (scene.asked.text, types_of(scene.asked)) == ("Delete 3 files? **Yes**", ["markdown"])


async def test_question_that_is_gone_is_closed_without_a_word() -> None:
    async with served() as scene:
        await scene.slack.delete(scene.asked)
        await scene.adapter.close_approval(key_of(scene.root), scene.external, "decided")
        scene.slack.fail("chat.update", Fault.error("cant_update_message"))
        await scene.adapter.close_approval(key_of(scene.root), scene.external, "decided")


# Presses


@everywhere
async def test_press_is_handed_over_and_takes_the_buttons_away(mode: Mode) -> None:
    async with served(mode) as scene:
        assert await scene.slack.press(scene.anna, scene.asked, "No")
        assert scene.desk.decisions == [("approval-1", scene.anna.id, False)]
        await scene.slack.until(lambda: types_of(scene.asked) == ["markdown", "context"])
        assert scene.asked.text == "Delete 3 files?"
        await scene.adapter.close_approval(key_of(scene.root), scene.external, "decided")
        assert (scene.asked.text, types_of(scene.asked)) == ("decided", ["markdown"])


async def test_press_that_comes_late_changes_no_question_that_is_closed() -> None:
    async with served() as scene:
        late = scene.payload()
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        await scene.adapter.close_approval(key_of(scene.root), scene.external, "decided")
        assert await scene.slack.send_interaction(late)
        scene.desk.verdict = "decided_before"
        assert await scene.slack.send_interaction(late)
        await scene.told()
        assert [each["text"] for each in scene.slack.calls_of("chat.update")] == ["Delete 3 files?", "decided"]


async def test_decision_is_said_last_though_slack_is_slow_to_take_the_buttons_away() -> None:
    async with served() as scene:
        scene.slack.fail("chat.update", Fault.hang(0.3))
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        await scene.adapter.close_approval(key_of(scene.root), scene.external, "decided")
        # Slack tells of two posts and two changes.
        await scene.slack.until(lambda: len({each.event_id for each in scene.slack.deliveries}) == 4)
        assert (scene.asked.text, types_of(scene.asked)) == ("decided", ["markdown"])


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        ("decided_before", "This is decided already."),
        ("expired", "It is too late to decide this."),
        ("not_allowed", "You may not decide this."),
        ("unknown", "I know nothing of this question any more."),
    ],
)
async def test_person_whose_press_does_not_count_is_told_alone(verdict: Verdict, text: str) -> None:
    async with served() as scene:
        scene.desk.verdict = verdict
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        to = {"channel": scene.asked.channel.id, "thread_ts": scene.root.ts, "user": scene.anna.id}
        assert await scene.told() == [to | {"text": text}]
        assert types_of(scene.asked) == ["markdown", "actions"]


@everywhere
async def test_press_that_is_not_kept_is_not_acknowledged(mode: Mode) -> None:
    async with served(mode) as scene:
        scene.desk.verdict = StorageUnavailableError("The database does not answer.")
        pressing = asyncio.create_task(scene.slack.press(scene.anna, scene.asked, "Yes"))
        await scene.slack.until(lambda: scene.desk.decisions)
        scene.desk.verdict = "decided"
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        assert len(scene.desk.decisions) == 2
        assert not pressing.done() or not pressing.result()
        pressing.cancel()
        await asyncio.wait([pressing])


@pytest.mark.parametrize("org_wide", [False, True])
async def test_press_by_a_person_of_another_workspace_is_of_ours(org_wide: bool) -> None:
    async with served(org_wide=org_wide) as scene:
        pat = scene.slack.add_user("pat", team=scene.slack.add_team("Other"))
        assert await scene.slack.press(pat, scene.asked, "Yes")
        assert scene.desk.decisions == [("approval-1", pat.id, True)]
        await scene.slack.until(lambda: "actions" not in types_of(scene.asked))


async def test_press_counts_where_slack_does_not_let_its_person_be_told() -> None:
    async with served() as scene:
        scene.desk.verdict = "not_allowed"
        scene.slack.fail("chat.postEphemeral", Fault.error("user_not_in_channel"))
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        await scene.told()
        scene.desk.verdict = "decided"
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")


def button(**fields: Any) -> Json:
    return {"actions": [{"type": "button", "action_id": "backscroll_approve", "value": "a"} | fields]}


NOTHING: list[Json] = [
    {"actions": []},
    button(action_id="somebody_elses"),
    button(action_id=None, value={"a": CANARY}),
    {"type": "view_submission", "actions": CANARY},
    {"type": "shortcut"},
]
ASIDE: list[Json] = [
    {"actions": None},
    {"actions": CANARY},
    {"actions": [None]},
    {"actions": [[CANARY]]},
    button(action_id={"a": CANARY}),
    button(value=None),
    button(value=""),
    button(value="a" * 501),
    button(value=[CANARY]),
    button(value=LONE),
    {"user": None},
    {"user": CANARY},
    {"user": {"id": 5}},
    {"user": {"id": ""}},
    {"team": CANARY},
    {"team": 5},
    {"team": {"id": "T0OTHER"}},
    {"team": {"id": f"{CANARY} and more"}},
    {"enterprise": [CANARY], "is_enterprise_install": True},
    {"container": CANARY},
    {"container": {"channel_id": "C1", "message_ts": CANARY}},
    {"message": [CANARY]},
    {"message": {"blocks": CANARY}},
]


@everywhere
async def test_malformed_press_is_acknowledged_and_put_aside_and_the_next_is_taken(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with served(mode) as scene:
        for number, fields in enumerate([*NOTHING, *ASIDE], start=1 - len(NOTHING)):
            assert await scene.slack.send_interaction(scene.payload(**fields)), fields
            rejected = await scene.desk.provider.list_rejected_events(limit=None)
            assert len(rejected) == max(0, number), fields
            assert all(CANARY not in each.reason for each in rejected)
        assert scene.desk.decisions == []
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        assert scene.desk.decisions == [("approval-1", scene.anna.id, True)]
    assert CANARY not in caplog.text


@pytest.mark.parametrize("payload", ["", "{", "null", "5", "[]", json.dumps(CANARY)])
async def test_form_that_nobody_can_read_stops_nothing(payload: str) -> None:
    async with served("http") as scene:
        await scene.slack._requests.ask({"payload": payload}, 3.0)
        assert await scene.slack.press(scene.anna, scene.asked, "Yes")
        assert len(scene.desk.decisions) == 1


# The whole way


async def clean(turn: Turn) -> str:
    decision = await turn.ask_approval("Delete 3 files?")
    return "deleted" if decision else "kept"


CLEANING = """
async def clean(turn):
    decision = await turn.ask_approval("Delete 3 files?")
    return "deleted" if decision else "kept"
"""


OUTCOMES: dict[str, Outcome] = {"deleted": "approved", "kept": "rejected"}


async def asked_back(stage: Stage, person: User, place: Channel) -> Said:
    """Ask the bot, and return its question when the answer waits for somebody."""
    await stage.slack.say(person, place, "clean up <@BOT>")
    return await waiting(stage, place)


async def waiting(stage: Stage, place: Channel) -> Said:
    async def is_suspended() -> bool:
        return "suspended" in [each.state for each in await stage.answers()]

    await stage.until(is_suspended)
    await stage.settled()
    (question,) = stage.slack.own_messages(place)
    assert (question.text, types_of(question)) == ("Delete 3 files?", ["markdown", "actions"])
    return question


async def went_on(stage: Stage, question: Said, text: str, by: User) -> None:
    """Wait for what the handler says after the decision; the question says who decided, and has no buttons."""
    await stage.until(lambda: text in stage.slack.posted_by_bot(question.channel))
    await stage.settled()
    posted, decision = stage.slack.posted_by_bot(question.channel), told("Delete 3 files?", OUTCOMES[text], by.name)
    assert posted == [decision, text]
    assert types_of(question) == ["markdown"]
    assert [each.state for each in await stage.answers()] == ["sent"]
    (thread,) = await stage.threads()
    assert [each.text for each in thread.messages if each.role == "assistant"] == ["Delete 3 files?", text]
    assert await stage.rejected() == []


@pytest.mark.parametrize(("mode", "kind"), [("socket", "channel"), ("http", "channel"), ("socket", "dm")])
async def test_handler_goes_on_when_somebody_decides(home: Home, mode: Mode, kind: str) -> None:
    async with on_stage(home.sqlite_url, mode, handler=clean) as stage:
        place = stage.general if kind == "channel" else stage.slack.open_dm(stage.anna)
        question = await asked_back(stage, stage.anna, place)
        assert await stage.slack.press(stage.anna, question, "Yes")
        await went_on(stage, question, "deleted", stage.anna)


async def test_press_by_somebody_outside_the_thread_decides_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked_back(stage, stage.anna, stage.general)
        ben = stage.slack.add_user("ben")
        assert await stage.slack.press(ben, question, "Yes")
        await stage.until(lambda: stage.slack.calls_of("chat.postEphemeral"))
        (note,) = stage.slack.calls_of("chat.postEphemeral")
        assert (note["user"], note["text"]) == (ben.id, "You may not decide this.")
        assert await stage.slack.press(stage.anna, question, "No")
        await went_on(stage, question, "kept", stage.anna)


async def test_first_of_two_at_once_decides(url: str) -> None:
    async with on_stage(url, handler=clean, bot=BotConfig(answer=frozenset({"mentions"}))) as stage:
        question = await asked_back(stage, stage.anna, stage.general)
        ben = stage.slack.add_user("ben")
        await stage.until_kept(await stage.slack.say(ben, stage.general, "wait", thread=question))
        press = stage.slack.press
        assert all(await asyncio.gather(press(stage.anna, question, "Yes"), press(ben, question, "No")))
        await stage.until(lambda: stage.slack.calls_of("chat.postEphemeral"))
        (note,) = stage.slack.calls_of("chat.postEphemeral")
        assert note["text"] == "This is decided already."
        first, text = (ben, "kept") if note["user"] == stage.anna.id else (stage.anna, "deleted")
        await went_on(stage, question, text, first)


@pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.cut_before()])
async def test_question_is_posted_once_whatever_became_of_its_post(home: Home, short_waits: None, fault: Fault) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        stage.slack.fail("chat.postMessage", fault)
        question = await asked_back(stage, stage.anna, stage.general)
        assert await stage.slack.press(stage.anna, question, "Yes")
        await went_on(stage, question, "deleted", stage.anna)


async def test_press_after_a_kill_goes_on(home: Home) -> None:
    home.write("cleaning.py", CLEANING)
    async with FakeSlack() as slack, ThreadStore(home.sqlite_url) as store:
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        stage = Stage(slack=slack, store=store, url=home.sqlite_url, anna=anna, general=general)
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url}
        home.configure(adapters={"slack": tokens}, handler="cleaning:clean", lease_s=1)
        with home.start(KILL_AT="the test's word") as program:
            await slack.until(lambda: slack.socket_count, PATIENCE_S)
            question = await asked_back(stage, anna, general)
            program.process.kill()
            await asyncio.to_thread(program.ended)
        await slack.until(lambda: not slack.socket_count)
        assert not await slack.press(anna, question, "Yes")  # nobody hears it
        async with running(stage, config_of(slack, home.sqlite_url, handler=clean, bot=BotConfig(lease_s=1))):
            assert await slack.press(anna, question, "Yes")
            await went_on(stage, question, "deleted", anna)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
async def test_press_in_one_of_several_workspaces_goes_on_there(home: Home) -> None:
    async with FakeSlack() as slack:
        port, key = free_port(), Fernet.generate_key().decode()
        oauth = SlackOAuthConfig(slack.client_id, slack.client_secret, key)
        given: Json = {"bot_token": None, "oauth": oauth, "http": SlackHttpConfig(port=port)}
        async with on_stage(home.sqlite_url, "http", slack=slack, handler=clean, **given) as stage:
            org = slack.add_team("Org", org_wide=True)
            for team in (slack.team, org):
                await install(stage, f"http://127.0.0.1:{port}", team)
            pat = slack.add_user("pat", team=org)
            question = await asked_back(stage, pat, slack.add_channel("room", members=[pat], team=org))
            assert await slack.press(pat, question, "Yes")
            await went_on(stage, question, "deleted", pat)
