"""adapters.discord in config.yaml: what is read, which keys go together, and that no value is ever shown."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from backscroll.bot.config import AdapterConfigs, DiscordConfig, load_config
from backscroll.bot.config.keys import keys_of
from backscroll.errors import ConfigError

TOKEN = "MTIz.abc.def"
PORTAL = "Take it from discord.com/developers/applications, Bot → Reset Token; docs/discord.md has each step."

Read = Callable[..., DiscordConfig]
FaultsOf = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a configuration that is right but for these lines of `adapters.discord`, the first of which is line 4."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def discord(*lines: str) -> DiscordConfig:
        head = "storage: {type: memory}\nadapters:\n  discord:\n"
        Path("config.yaml").write_text(head + indent("\n".join(lines), "    "))
        config = load_config(Path("config.yaml")).adapters.discord
        assert config is not None
        return config

    return discord


@pytest.fixture
def faults_of(read: Read) -> FaultsOf:
    def faults(*lines: str) -> list[tuple[str, str]]:
        with pytest.raises(ConfigError) as caught:
            read(*lines)
        return caught.value.faults

    return faults


# What is read


def test_discord_gives_every_default_when_only_its_token_is_named(read: Read) -> None:
    assert read(f"token: {TOKEN}") == DiscordConfig(
        token=TOKEN,
        api_base_url=None,
        reply_in="thread",
        shards=None,
        shard_ids=None,
        message_content=True,
        command="ask",
        catch_up_hours=24.0,
        file_hosts=frozenset({"cdn.discordapp.com", "media.discordapp.net"}),
        file_limit_bytes=20_000_000,
    )


def test_discord_gives_what_the_file_says(read: Read) -> None:
    discord = read(
        f"token: {TOKEN}",
        "api_base_url: http://127.0.0.1:3901/api/v10",
        "reply_in: channel",
        "shards: 16",
        "shard_ids: [15, 0]",
        "message_content: false",
        "command: backscroll-2_go",
        "catch_up_hours: 0.5",
        "file_hosts: [127.0.0.1, CDN.Example.com]",
        "file_limit_bytes: 0",
    )
    assert discord == DiscordConfig(
        token=TOKEN,
        api_base_url="http://127.0.0.1:3901/api/v10",
        reply_in="channel",
        shards=16,
        shard_ids=(15, 0),
        message_content=False,
        command="backscroll-2_go",
        catch_up_hours=0.5,
        file_hosts=frozenset({"127.0.0.1", "cdn.example.com"}),
        file_limit_bytes=0,
    )


@pytest.mark.parametrize("url", ["https://discord.com/api/v10", "https://discord.com/api/v10/"])
def test_discord_takes_a_final_slash_away(read: Read, url: str) -> None:
    assert read(f"token: {TOKEN}", f"api_base_url: {url}").api_base_url == "https://discord.com/api/v10"


@pytest.mark.parametrize("command", ["", "''", "null", "~", '"{DISCORD_COMMAND}"', '"{DISCORD_COMMAND:-}"'])
def test_discord_has_no_command_when_its_name_is_empty(
    read: Read, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DISCORD_COMMAND", "")
    assert read(f"token: {TOKEN}", f"command: {command}").command is None


def test_discord_takes_no_message_content_without_a_command(read: Read) -> None:
    discord = read(f"token: {TOKEN}", "message_content: false", "command:")
    assert (discord.message_content, discord.command) == (False, None)


@pytest.mark.parametrize(
    ("written", "shards"),
    [("auto", "auto"), ("1", 1), ("", None), ("'{SHARDS}'", 2), ("'{MODE}'", "auto"), ("'{NONE}'", None)],
)
def test_discord_reads_shards_as_a_word_a_number_or_nothing(
    read: Read, monkeypatch: pytest.MonkeyPatch, written: str, shards: str | int | None
) -> None:
    for name, value in {"SHARDS": "2", "MODE": "auto", "NONE": ""}.items():
        monkeypatch.setenv(name, value)
    assert read(f"token: {TOKEN}", f"shards: {written}").shards == shards


def test_discord_takes_its_token_from_the_environment(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert read('token: "{DISCORD_TOKEN}"') == DiscordConfig(TOKEN)


def test_discord_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DiscordConfig(TOKEN).token = "other"  # type: ignore[misc]


# The token


@pytest.mark.parametrize("section", ["", "{}"])
def test_discord_tells_where_a_missing_token_is_found(faults_of: FaultsOf, section: str) -> None:
    assert faults_of(section) == [("config.yaml:3: adapters.discord.token is needed, and is missing.", PORTAL)]


@pytest.mark.parametrize("token", ["", "''", "null", '"{DISCORD_TOKEN}"'])
def test_discord_tells_where_an_empty_token_is_found(
    faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "")
    fault = ("config.yaml:5: adapters.discord.token is needed, and is missing.", PORTAL)
    assert faults_of("reply_in: thread", f"token: {token}") == [fault]


def test_discord_tells_a_missing_variable_once_and_with_the_way_out(
    faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    fact = "config.yaml:4: adapters.discord.token needs DISCORD_TOKEN, which is not set."
    assert faults_of('token: "{DISCORD_TOKEN}"') == [(fact, "Set it, or remove adapters.discord.")]


@pytest.mark.parametrize("token", [f"Bot {TOKEN}", f"bot {TOKEN}", f"' Bot {TOKEN}'", f'"Bot\\t{TOKEN}"'])
def test_discord_tells_to_leave_the_word_bot_out_of_the_token(faults_of: FaultsOf, token: str) -> None:
    fact = "config.yaml:4: adapters.discord.token must be the token alone; got one with the word Bot before it."
    hint = "Leave the word Bot out; it is put before the token where Discord wants it."
    assert faults_of(f"token: {token}") == [(fact, hint)]


@pytest.mark.parametrize("token", ["' '", f"{TOKEN} {TOKEN}", f"'{TOKEN} '", f'"{TOKEN}\\n"', f"Bearer {TOKEN}"])
def test_discord_refuses_a_token_with_a_blank(faults_of: FaultsOf, token: str) -> None:
    fact = "config.yaml:4: adapters.discord.token must be one word, as Discord shows it; got another text."
    assert faults_of(f"token: {token}") == [(fact, "Look for a space or a line end in it.")]


def test_discord_takes_a_token_that_only_begins_like_the_word(read: Read) -> None:
    assert read("token: Bottle.abc.def").token == "Bottle.abc.def"


# Which keys go together


@pytest.mark.parametrize(
    ("lines", "fact", "hint"),
    [
        (
            ["shard_ids: [0]"],
            "shard_ids needs adapters.discord.shards as a number.",
            "Write how many shards there are in all processes together, for example shards: 4.",
        ),
        (["shard_ids: [0]", "shards: auto"], "shard_ids needs adapters.discord.shards as a number.", None),
        (["shard_ids: [0]", "shards:"], "shard_ids needs adapters.discord.shards as a number.", None),
        (
            ["shard_ids: [0, 4]", "shards: 4"],
            "shard_ids must be below adapters.discord.shards; got more.",
            "They count from 0: with shards: 4 they are 0 to 3.",
        ),
        (["shard_ids: [1, 0, 1]", "shards: 4"], "shard_ids has a number twice.", "Keep one of them."),
    ],
)
def test_discord_refuses_shards_that_do_not_go_together(
    faults_of: FaultsOf, lines: list[str], fact: str, hint: str | None
) -> None:
    ((message, advice),) = faults_of(*lines, f"token: {TOKEN}")
    assert (message, advice) == (f"config.yaml:4: adapters.discord.{fact}", hint or advice)


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (["shard_ids: [5]", "shards: 0"], ["shards must be from 1 to 100,000; got less."]),
        (["shard_ids: [-1]", "shards: 4"], ["shard_ids must be from 0 to 99,999; got less."]),
        (["shard_ids: 0", "shards: 4"], ["shard_ids must be a list; got a whole number."]),
        (
            ["shards: auto", "shard_ids: []"],
            [
                "shard_ids must be from 1 to 100,000 entries long; got less.",
                "shard_ids needs adapters.discord.shards as a number.",
            ],
        ),
    ],
)
def test_discord_compares_no_key_that_has_a_fault_of_its_own(
    faults_of: FaultsOf, lines: list[str], facts: list[str]
) -> None:
    faults = faults_of(f"token: {TOKEN}", *lines)
    assert [fact.split("adapters.discord.", 1)[1] for fact, _ in faults] == facts


def test_discord_tells_all_mistakes_at_once_in_the_order_of_lines(faults_of: FaultsOf) -> None:
    faults = faults_of(
        "tokn: MTIz",
        "reply_in: threads",
        "shards: 2",
        "shard_ids: [2, 2]",
        "command: new",
        "catch_up_hours: 721",
        "message_content: true",
        "message_content: false",
    )
    assert [fact for fact, _ in faults] == [
        "config.yaml:3: adapters.discord.token is needed, and is missing.",
        "config.yaml:4: adapters.discord.tokn is not a known key.",
        "config.yaml:5: adapters.discord.reply_in must be thread or channel; got another text.",
        "config.yaml:7: adapters.discord.shard_ids has a number twice.",
        "config.yaml:7: adapters.discord.shard_ids must be below adapters.discord.shards; got more.",
        "config.yaml:8: adapters.discord.command must be another name than new; got that one.",
        "config.yaml:9: adapters.discord.catch_up_hours must be from 0 to 720; got more.",
        "config.yaml:11: adapters.discord.message_content is there twice; the first is on line 10.",
    ]


def test_discord_that_is_no_mapping_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "config.yaml"
    path.write_text(f"adapters: {{discord: {TOKEN}}}")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [hint for _, hint in caught.value.faults] == ["Indent its keys under it."]


# One key alone


@pytest.mark.parametrize(
    ("line", "fact", "hint"),
    [
        ("token: [a]", "token must be text; got a list.", None),
        ("token: {DISCORD_TOKEN}", "token must be text; got a mapping.", 'Put the placeholder in quotes: "{NAME}".'),
        ("reply_in: threads", "reply_in must be thread or channel; got another text.", "Did you mean thread?"),
        ("reply_in:", "reply_in must be thread or channel; got nothing.", "Write thread or channel."),
        ("shards: 0", "shards must be from 1 to 100,000; got less.", "Choose one in this range."),
        ("shards: 100001", "shards must be from 1 to 100,000; got more.", None),
        ("shards: 1.5", "shards must be auto or a whole number; got a number with a fraction.", None),
        ("shards: true", "shards must be auto or a whole number; got true or false.", None),
        ("shards: atuo", "shards must be auto or a whole number; got another text.", "Did you mean auto?"),
        ("message_content: yes", "message_content must be true or false; got text.", None),
        ("message_content:", "message_content must be true or false; got nothing.", None),
        (
            "command: new",
            "command must be another name than new; got that one.",
            "/new begins a new thread in a direct message; write for example ask.",
        ),
        ("command: 5", "command must be text; got a whole number.", "Put it in quotes."),
        ("catch_up_hours: -1", "catch_up_hours must be from 0 to 720; got less.", None),
        ("file_limit_bytes: 1000000001", "file_limit_bytes must be from 0 to 1,000,000,000; got more.", None),
        ("reply_on: thread", "reply_on is not a known key.", "Did you mean adapters.discord.reply_in?"),
    ],
)
def test_discord_refuses_a_value_that_its_key_cannot_have(
    faults_of: FaultsOf, line: str, fact: str, hint: str | None
) -> None:
    ((message, advice),) = faults_of(line, *([] if line.startswith("token") else [f"token: {TOKEN}"]))
    assert (message, advice) == (f"config.yaml:4: adapters.discord.{fact}", hint or advice)


@pytest.mark.parametrize("name", ["/ask", "Ask", "a b", "fräge", "ask!", "a" * 33, "ask\\n"])
def test_discord_refuses_a_command_that_is_no_name_of_one(faults_of: FaultsOf, name: str) -> None:
    ((fact, hint),) = faults_of(f"token: {TOKEN}", f'command: "{name}"')
    assert fact == (
        "config.yaml:5: adapters.discord.command must be the name of a command: 1 to 32 of a-z, 0-9, - and _; "
        "got another text."
    )
    assert hint == "Write it in lower case and without a slash, for example ask."


@pytest.mark.parametrize("url", ["discord.com/api", "ftp://discord.com/", "https://discord.com/?a=b", "https://a@b/"])
def test_discord_refuses_an_address_that_is_no_base_of_calls(faults_of: FaultsOf, url: str) -> None:
    ((fact, hint),) = faults_of(f"token: {TOKEN}", f"api_base_url: '{url}'")
    assert fact == (
        "config.yaml:5: adapters.discord.api_base_url must be a URL that begins with http:// or https://; "
        "got another text."
    )
    assert hint == "Write for example https://discord.com/api/v10."


def test_discord_refuses_a_host_that_is_more_than_a_name(faults_of: FaultsOf) -> None:
    ((fact, hint),) = faults_of(f"token: {TOKEN}", "file_hosts: ['https://cdn.discordapp.com']")
    assert fact == "config.yaml:5: adapters.discord.file_hosts must be the name of a host; got another text."
    assert hint == "Write the name alone, for example cdn.discordapp.com."


# Secrets

PLACES = [
    *(f"{key}: @" for key in keys_of(DiscordConfig)),
    *(f"{key}: [@]" for key in keys_of(DiscordConfig)),
    *(f"{key}: {{@: @}}" for key in keys_of(DiscordConfig)),
    "shard_ids: [@, 1, @]",
    "@: 1",
]


@pytest.mark.parametrize("canary", ["CANARY.abc", "Bot CANARY", "a CANARY b", "https://bot:CANARY@discord.com/"])
@pytest.mark.parametrize("place", PLACES)
def test_discord_shows_no_value_in_an_error(faults_of: FaultsOf, place: str, canary: str) -> None:
    faults = faults_of(place.replace("@", f"'{canary}'"), "shards: CANARY")
    assert "CANARY" not in str(faults)


def test_discord_shows_no_secret_in_a_config() -> None:
    assert "CANARY" not in repr(AdapterConfigs(discord=DiscordConfig("CANARY")))
