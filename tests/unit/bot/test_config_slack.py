"""adapters.slack in config.yaml: what is read, which keys go together, and that no value is ever shown."""

import base64
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from backscroll.bot.config import (
    AdapterConfigs,
    SlackAssistantConfig,
    SlackConfig,
    SlackHttpConfig,
    SlackOAuthConfig,
    SlackPrompt,
    load_config,
)
from backscroll.bot.config.keys import keys_of
from backscroll.errors import ConfigError

# No random one: the workers of one run must name the tests alike.
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
OAUTH = f"oauth: {{client_id: 123.456, client_secret: s, encryption_key: {KEY}}}"
SECTIONS = {"http": SlackHttpConfig, "assistant": SlackAssistantConfig, "oauth": SlackOAuthConfig}
VARIABLES = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "SLACK_SIGNING_SECRET": "abc",
    "SLACK_CLIENT_ID": "123.456",
    "SLACK_CLIENT_SECRET": "def",
    "SLACK_ENCRYPTION_KEY": KEY,
}

Read = Callable[..., SlackConfig]
FaultsOf = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a configuration that is right but for these lines of `adapters.slack`, the first of which is line 4."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def slack(*lines: str) -> SlackConfig:
        head = "storage: {type: memory}\nadapters:\n  slack:\n"
        Path("config.yaml").write_text(head + indent("\n".join(lines), "    "))
        config = load_config(Path("config.yaml")).adapters.slack
        assert config is not None
        return config

    return slack


@pytest.fixture
def faults_of(read: Read) -> FaultsOf:
    def faults(*lines: str) -> list[tuple[str, str]]:
        with pytest.raises(ConfigError) as caught:
            read(*lines)
        return caught.value.faults

    return faults


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set every variable that the shipped file names."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


# What is read


def test_slack_gives_every_default_when_only_its_tokens_are_named(read: Read) -> None:
    slack = read("bot_token: xoxb-1", "app_token: xapp-1")
    assert slack == SlackConfig(bot_token="xoxb-1", app_token="xapp-1")


def test_slack_gives_what_the_file_says(read: Read) -> None:
    slack = read(
        "signing_secret: abc",
        "http: {host: 0.0.0.0, port: 80, path: /events}",
        "api_base_url: http://127.0.0.1:3901/api/",
        "file_hosts: [127.0.0.1, Files.Example.com]",
        "file_limit_bytes: 0",
        "catch_up_hours: 0.5",
        "ping_interval_s: 1",
        "streams: false",
        "assistant:",
        "  status: ''",
        "  prompts_title: Try",
        "  prompts: [{title: Sum up, message: Sum up this channel.}, {title: Hello}]",
        "oauth:",
        "  client_id: 123.456",
        "  client_secret: 0123",
        f"  encryption_key: '{KEY} , {KEY}'",
        "  scopes: [chat:write]",
        "  install_path: /install",
        "  redirect_path: /oauth/back",
    )
    assert slack == SlackConfig(
        signing_secret="abc",
        http=SlackHttpConfig("0.0.0.0", 80, "/events"),
        api_base_url="http://127.0.0.1:3901/api/",
        file_hosts=frozenset({"127.0.0.1", "files.example.com"}),
        file_limit_bytes=0,
        catch_up_hours=0.5,
        ping_interval_s=1.0,
        streams=False,
        assistant=SlackAssistantConfig(
            "assistant", "", "Try", (SlackPrompt("Sum up", "Sum up this channel."), SlackPrompt("Hello", None))
        ),
        oauth=SlackOAuthConfig("123.456", "0123", f"{KEY},{KEY}", frozenset({"chat:write"}), "/install", "/oauth/back"),
    )


def test_slack_takes_oauth_with_socket_mode_where_its_pages_have_a_place(read: Read) -> None:
    slack = read("app_token: xapp-1", "http:", OAUTH)
    assert (slack.app_token, slack.http, slack.oauth is not None) == ("xapp-1", SlackHttpConfig(), True)


def test_slack_adds_a_missing_final_slash(read: Read) -> None:
    slack = read("bot_token: xoxb-1", "app_token: xapp-1", "api_base_url: http://localhost:3901/api")
    assert slack.api_base_url == "http://localhost:3901/api/"


@pytest.mark.usefixtures("variables")
def test_slack_takes_an_empty_variable_for_a_key_that_is_not_given(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_APP_TOKEN", "")
    slack = read(
        'bot_token: "{SLACK_BOT_TOKEN}"', 'app_token: "{SLACK_APP_TOKEN}"', 'signing_secret: "{SLACK_SIGNING_SECRET}"'
    )
    assert slack == SlackConfig(bot_token="xoxb-1", signing_secret="abc")


def test_slack_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SlackConfig().bot_token = "xoxb-1"  # type: ignore[misc]


# Which keys go together


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            ["bot_token: xoxb-1"],
            (
                "config.yaml:3: adapters.slack needs app_token (Socket Mode) or signing_secret (HTTP).",
                "Add app_token; Slack then need not reach this computer.",
            ),
        ),
        (
            ["bot_token: xoxb-1", "app_token: xapp-1", "signing_secret: abc"],
            (
                "config.yaml:6: adapters.slack has app_token (Socket Mode) and signing_secret (HTTP).",
                "Remove signing_secret for Socket Mode, or app_token for HTTP.",
            ),
        ),
        (
            ["app_token: xapp-1", "bot_token:"],
            (
                "config.yaml:3: adapters.slack needs bot_token, or oauth.",
                "Add bot_token; oauth is for several workspaces.",
            ),
        ),
        (
            ["signing_secret: abc", "bot_token: xoxb-1", OAUTH],
            (
                "config.yaml:5: adapters.slack has bot_token and oauth, which gives each workspace its own.",
                "Remove bot_token for several workspaces, or oauth for one.",
            ),
        ),
        (
            ["app_token: xapp-1", OAUTH],
            (
                "config.yaml:5: adapters.slack.oauth needs adapters.slack.http, where its pages are served.",
                "Add `http: {port: 3000}` under adapters.slack.",
            ),
        ),
    ],
)
def test_slack_refuses_keys_that_do_not_go_together(
    faults_of: FaultsOf, lines: list[str], fault: tuple[str, str]
) -> None:
    assert faults_of(*lines) == [fault]


@pytest.mark.parametrize("nothing", ["", "http: {}"])
def test_slack_refuses_a_section_with_nothing_that_connects(faults_of: FaultsOf, nothing: str) -> None:
    assert [fact for fact, _ in faults_of(nothing)] == [
        "config.yaml:3: adapters.slack needs app_token (Socket Mode) or signing_secret (HTTP).",
        "config.yaml:3: adapters.slack needs bot_token, or oauth.",
    ]


def test_slack_tells_missing_variables_once_and_with_the_way_out(
    faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert faults_of('bot_token: "{SLACK_BOT_TOKEN}"', 'app_token: "{SLACK_APP_TOKEN}"') == [
        (
            f"config.yaml:{line}: adapters.slack.{key} needs {name}, which is not set.",
            "Set it, or remove adapters.slack.",
        )
        for line, key, name in [(4, "bot_token", "SLACK_BOT_TOKEN"), (5, "app_token", "SLACK_APP_TOKEN")]
    ]


def test_slack_tells_a_missing_variable_of_a_needed_key_within_a_key(
    faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_CLIENT_SECRET", raising=False)
    fact = "config.yaml:5: adapters.slack.oauth.client_secret needs SLACK_CLIENT_SECRET, which is not set."
    oauth = OAUTH.replace("client_secret: s", 'client_secret: "{SLACK_CLIENT_SECRET}"')
    assert faults_of("signing_secret: abc", oauth) == [(fact, "Set it, or remove adapters.slack.")]


def test_slack_tells_all_mistakes_at_once_in_the_order_of_lines(faults_of: FaultsOf) -> None:
    faults = faults_of(
        "bot_tokn: xoxb-1",
        "app_token: xoxb-1",
        "signing_secret: a b",
        "http: {port: 0, paht: /x}",
        "catch_up_hours: 721",
        "oauth: {client_id: 1.2}",
        "assistant: {prompts: [{message: Hi}]}",
    )
    assert [fact for fact, _ in faults] == [
        "config.yaml:4: adapters.slack.bot_tokn is not a known key.",
        "config.yaml:5: adapters.slack.app_token must be an app-level token (xapp-…); got another text.",
        "config.yaml:6: adapters.slack.signing_secret must be one word, as Slack shows it; got another text.",
        "config.yaml:6: adapters.slack has app_token (Socket Mode) and signing_secret (HTTP).",
        "config.yaml:7: adapters.slack.http.paht is not a known key.",
        "config.yaml:7: adapters.slack.http.port must be from 1 to 65,535; got less.",
        "config.yaml:8: adapters.slack.catch_up_hours must be from 0 to 720; got more.",
        "config.yaml:9: adapters.slack.oauth.client_secret is needed, and is missing.",
        "config.yaml:9: adapters.slack.oauth.encryption_key is needed, and is missing.",
        "config.yaml:10: adapters.slack.assistant.prompts.title is needed, and is missing.",
    ]


# One key alone


@pytest.mark.parametrize(
    ("line", "fact", "hint"),
    [
        (
            "bot_token: xapp-1",
            "bot_token must be a bot token (xoxb-…); got another text.",
            "Swapped with app_token? It stands under OAuth & Permissions of the app's page.",
        ),
        ("bot_token: xoxp-1", "bot_token must be a bot token (xoxb-…); got another text.", None),
        (
            "app_token: xoxb-1",
            "app_token must be an app-level token (xapp-…); got another text.",
            "Swapped with bot_token? It stands under Basic Information of the app's page.",
        ),
        (
            'app_token: "xapp-1\\n"',
            "app_token must be one word, as Slack shows it; got another text.",
            "Look for a space or a line end in it.",
        ),
        ("app_token: ''", "app_token must be from 1 to 4,000 characters long; got less.", None),
        ("app_token: [xapp-1]", "app_token must be text; got a list.", None),
        ("http: {port: 65536}", "http.port must be from 1 to 65,535; got more.", None),
        ("http: {path: slack/events}", "http.path must be a path; got another text.", None),
        ("http: {path: '/slack/events?a=b'}", "http.path must be a path; got another text.", None),
        (
            "file_limit_bytes: 1000000001",
            "file_limit_bytes must be from 0 to 1,000,000,000; got more.",
            "Choose one in this range.",
        ),
        ("ping_interval_s: 0", "ping_interval_s must be from 1 to 300; got less.", None),
        ("streams: yes", "streams must be true or false; got text.", None),
        (
            "assistant: {prompts: [{title: a}, {title: a}, {title: a}, {title: a}, {title: a}]}",
            "assistant.prompts must be from 0 to 4 entries long; got more.",
            None,
        ),
        ("assistant: {prompts: [a]}", "assistant.prompts must be a mapping; got text.", None),
        ("assistant: {prompts: {title: a}}", "assistant.prompts must be a list; got a mapping.", None),
    ],
)
def test_slack_refuses_a_value_that_its_key_cannot_have(
    faults_of: FaultsOf, line: str, fact: str, hint: str | None
) -> None:
    others = [each for each in ("bot_token: xoxb-1", "app_token: xapp-1") if each.split(":")[0] not in line]
    ((message, advice),) = faults_of(line, *others)
    assert (message, advice) == (f"config.yaml:4: adapters.slack.{fact}", hint or advice)


@pytest.mark.parametrize(
    "url",
    [
        "slack.com/api/",
        "ftp://slack.com/api/",
        "https:///api/",
        "https://slack.com/api/?a=b",
        "https://slack.com/api/#a",
        "https://bot:secret@slack.com/api/",
        "https://slack.com:99999/",
        "https://slack.com:0/",
        "https://[slack.com/",
        "https://slack.com/a b/",
    ],
)
def test_slack_refuses_an_address_that_is_no_base_of_calls(faults_of: FaultsOf, url: str) -> None:
    ((fact, _),) = faults_of("bot_token: xoxb-1", "app_token: xapp-1", f"api_base_url: '{url}'")
    assert fact == (
        "config.yaml:6: adapters.slack.api_base_url must be a URL that begins with http:// or https://; "
        "got another text."
    )


@pytest.mark.parametrize("host", ["https://files.slack.com", "files.slack.com/", "*.slack.com", "a b", "slack.com:80"])
def test_slack_refuses_a_host_that_is_more_than_a_name(faults_of: FaultsOf, host: str) -> None:
    ((fact, _),) = faults_of("bot_token: xoxb-1", "app_token: xapp-1", f"file_hosts: ['{host}']")
    assert fact == "config.yaml:6: adapters.slack.file_hosts must be the name of a host; got another text."


@pytest.mark.parametrize("key", ["hunter2", KEY[:-1], f"{KEY},", f"{KEY} {KEY}", KEY.replace(KEY[3], "+"), f"{KEY}\n"])
def test_slack_refuses_an_encryption_key_that_is_none_and_tells_how_to_make_one(faults_of: FaultsOf, key: str) -> None:
    written = key.replace("\n", "\\n")
    oauth = OAUTH.replace(KEY, f'"{written}"')
    ((fact, hint),) = faults_of("signing_secret: abc", oauth)
    assert fact == (
        "config.yaml:5: adapters.slack.oauth.encryption_key must be a key of Fernet, or several with commas between; "
        "got another text."
    )
    assert "Fernet.generate_key()" in hint


# Secrets

PLACES = [
    *(f"{key}: @" for key in keys_of(SlackConfig)),
    *(f"{key}: [@]" for key in keys_of(SlackConfig)),
    *(f"{section}: {{{key}: @}}" for section, model in SECTIONS.items() for key in keys_of(model)),
    "assistant: {prompts: [@, {title: 5, message: @}, {@: 1}]}",
    "http: {port: @, @: 1}",
    "@: 1",
]


@pytest.mark.parametrize("canary", ["xoxb-CANARY", "xapp-CANARY", "a CANARY b", "https://bot:CANARY@slack.com/"])
@pytest.mark.parametrize("place", PLACES)
def test_slack_shows_no_value_in_an_error(faults_of: FaultsOf, place: str, canary: str) -> None:
    faults = faults_of(place.replace("@", f"'{canary}'"), "streams: CANARY")
    assert "CANARY" not in str(faults)


def test_slack_shows_no_secret_in_a_config() -> None:
    slack = SlackConfig(
        "CANARY",
        "CANARY",
        "CANARY",
        assistant=SlackAssistantConfig("assistant", "CANARY", "CANARY", (SlackPrompt("CANARY", "CANARY"),)),
        oauth=SlackOAuthConfig("1.2", "CANARY", "CANARY"),
    )
    assert "CANARY" not in repr(AdapterConfigs(slack=slack))
