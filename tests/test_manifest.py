"""`slack-manifest.yaml` is what Slack takes, and asks for what the code uses."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backscroll.adapters.slack import receiving, translate
from backscroll.bot.config.adapters import SCOPES, SlackHttpConfig, SlackOAuthConfig

TEXT = (Path(__file__).parents[1] / "slack-manifest.yaml").read_text()
ASSISTANT_EVENTS = {"assistant_thread_started", "assistant_thread_context_changed"}
"""New apps cannot have them. Source: docs.slack.dev/ai/migrating-to-agent-messaging"""


def manifest(*wanted: str) -> dict[str, Any]:
    """Read the manifest, with the lines of a choice such as `http` taken in."""
    text = re.sub(rf"#({'|'.join(wanted)}) ", "", TEXT) if wanted else TEXT
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def handled_events() -> set[str]:
    """Return the types of events that the two functions tell apart which take events, by `case` and by `in`."""
    found: set[str] = set()
    for module, name in ((receiving, "_take_event"), (translate, "translate")):
        tree = ast.parse(Path(str(module.__file__)).read_text())
        (function,) = (node for node in ast.walk(tree) if getattr(node, "name", None) == name)
        for node in ast.walk(function):
            if isinstance(node, ast.MatchValue):
                found.add(ast.literal_eval(node.value))
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                found |= set(ast.literal_eval(node.comparators[0]))
    return found


def test_manifest_asks_for_the_scopes_that_oauth_asks_for() -> None:
    scopes = manifest()["oauth_config"]["scopes"]

    assert list(scopes) == ["bot"]
    assert scopes["bot"] == sorted(SCOPES)


def test_manifest_hears_the_events_that_are_handled() -> None:
    events = manifest("agent")["settings"]["event_subscriptions"]["bot_events"]

    assert {event.partition(".")[0] for event in events} == handled_events() - ASSISTANT_EVENTS
    assert [event for event in events if event.startswith("message.")] == [
        "message.channels", "message.groups", "message.im", "message.mpim"
    ]  # fmt: skip
    assert events == sorted(events)


def test_manifest_of_a_plain_app_hears_no_more_than_it_can_have() -> None:
    plain, agent = (manifest(*view)["settings"]["event_subscriptions"]["bot_events"] for view in ((), ("agent",)))

    assert set(agent) - set(plain) == {"app_context_changed", "app_home_opened"}


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_scope_has_its_reason(scope: str) -> None:
    assert re.search(rf"^ +- {scope} # \S.+$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("event", ["app_mention", "channel_id_changed", "message.im", "tokens_revoked"])
def test_event_has_its_reason(event: str) -> None:
    assert re.search(rf"^ +- {re.escape(event)} # \S.+$", TEXT, re.MULTILINE)


def test_manifest_has_what_slack_needs() -> None:
    # These keys and lengths are told in docs.slack.dev/reference/app-manifest.
    read = manifest()

    assert 0 < len(read["display_information"]["name"]) <= 35
    assert len(read["display_information"]["description"]) <= 140
    assert 0 < len(read["features"]["bot_user"]["display_name"]) <= 80
    assert [set(command) >= {"command", "description"} for command in read["features"]["slash_commands"]] == [True]
    assert [command["command"] for command in read["features"]["slash_commands"]] == [receiving.NEW]
    assert read["features"]["app_home"]["messages_tab_enabled"] is True
    assert read["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    assert read["settings"]["interactivity"]["is_enabled"] is True
    assert read["settings"]["socket_mode_enabled"] is True
    assert read["settings"]["token_rotation_enabled"] is False


def test_choice_of_http_names_the_path_that_is_served() -> None:
    read = manifest("http")
    settings, commands = read["settings"], read["features"]["slash_commands"]
    urls = [
        settings["event_subscriptions"]["request_url"],
        settings["interactivity"]["request_url"],
        commands[0]["url"],
    ]

    assert [url.removeprefix("https://bot.example.com") for url in urls] == [SlackHttpConfig().path] * 3


def test_choice_of_oauth_names_the_path_that_is_served() -> None:
    served = SlackOAuthConfig("id", "secret", "key").redirect_path

    assert manifest("oauth")["oauth_config"]["redirect_urls"] == [f"https://bot.example.com{served}"]


def test_choice_of_the_agent_view_brings_its_scope() -> None:
    """Slack refuses either without the other."""
    read = manifest("agent")

    assert 0 < len(read["features"]["agent_view"]["agent_description"]) <= 300
    assert set(read["oauth_config"]["scopes"]["bot"]) == SCOPES | {"assistant:write"}
