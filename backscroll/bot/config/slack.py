"""What stands under `adapters.slack`, and which of its keys go together.

Owns names, bounds, forms and defaults. A secret's field, and one whose text is a person's own, has `repr=False`. Must
not know the adapter itself. Proved by `tests/unit/bot/test_config_slack.py`.
"""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal

from backscroll.bot.config.faults import Faults
from backscroll.bot.config.forms import CatchUpHours, FileLimitBytes, base_url, host, one_word
from backscroll.bot.config.keys import AsWritten, Between, Form, Id, Text, is_empty_variable
from backscroll.bot.config.yaml_lines import Mapping, Node, Scalar

FILE_HOSTS = frozenset({"files.slack.com", "slack-files.com"})
SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "mpim:history",
        "reactions:read",
        "reactions:write",
        "users:read",
    }
)
"""What the bot asks of a workspace; the app's manifest has the same. One with an assistant adds `assistant:write`."""

_NEW_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
_FERNET_KEYS = re.compile(r"[A-Za-z0-9_-]{43}=(,[A-Za-z0-9_-]{43}=)*")


def _read_path(path: str) -> str | None:
    return path if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) else None


def _read_keys(keys: str) -> str | None:
    packed = re.sub(r"\s*,\s*", ",", keys)
    return packed if _FERNET_KEYS.fullmatch(packed) else None


def _token(expected: str, hint: str, *others: str) -> Form:
    """Return the form of a token that does not begin like the tokens of another kind."""
    return Form(expected, hint, lambda token: None if token.startswith(others) else token)


Secret = Annotated[str, Between(1, 4_000), AsWritten(), one_word("Slack")]
BotToken = Annotated[
    Secret,
    _token(
        "a bot token (xoxb-…)",
        "Swapped with app_token? It stands under OAuth & Permissions of the app's page.",
        "xapp-",
        "xoxp-",
        "xoxe.xoxp-",
    ),
]
AppToken = Annotated[
    Secret,
    _token(
        "an app-level token (xapp-…)",
        "Swapped with bot_token? It stands under Basic Information of the app's page.",
        "xoxb-",
        "xoxp-",
    ),
]
EncryptionKey = Annotated[
    str,
    Between(1, 4_000),
    Form("a key of Fernet, or several with commas between", f"Make one: {_NEW_KEY}", _read_keys),
]
BaseUrl = Annotated[Text, base_url("https://slack.com/api/", lambda url: url if url.endswith("/") else f"{url}/")]
Host = Annotated[Text, host("files.slack.com")]
UrlPath = Annotated[Text, Form("a path", "Write for example /slack/events.", _read_path)]


@dataclass(frozen=True)
class SlackHttpConfig:
    """Where this program listens in HTTP mode, and for the pages of `oauth`."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Between(1, 65_535)] = 3000
    path: UrlPath = "/slack/events"


@dataclass(frozen=True)
class SlackPrompt:
    """A suggestion in an assistant thread: what the button says, and what the person then says."""

    title: Text = field(repr=False)
    message: Text | None = field(default=None, repr=False)
    """None: the title."""


@dataclass(frozen=True)
class SlackAssistantConfig:
    """What the app says of itself in assistant threads."""

    view: Literal["assistant", "agent"] = "assistant"
    """The app's view in its manifest. In the agent's, what begins in a DM begins a thread of its own."""
    status: Annotated[str, Between(0, 200)] = field(default="is thinking…", repr=False)
    """Shown after the app's name; an empty one shows none."""
    prompts_title: Annotated[str, Between(0, 200)] = field(default="", repr=False)
    # Slack takes four: docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts
    prompts: Annotated[tuple[SlackPrompt, ...], Between(0, 4)] = field(default=(), repr=False)


@dataclass(frozen=True)
class SlackOAuthConfig:
    """How workspaces install the app by themselves. Their tokens are kept in the storage, encrypted."""

    client_id: Id
    client_secret: Secret = field(repr=False)
    encryption_key: EncryptionKey = field(repr=False)
    """Several, with commas between: the first encrypts, each decrypts."""
    scopes: Annotated[frozenset[Text], Between(1, 200)] = SCOPES
    install_path: UrlPath = "/slack/install"
    redirect_path: UrlPath = "/slack/oauth_redirect"


@dataclass(frozen=True)
class SlackConfig:
    """Slack. Which keys go together is checked when a file is read, not when an object is made.

    Either `app_token` (Socket Mode) or `signing_secret` (HTTP mode) is there, and either `bot_token` or `oauth`.
    """

    bot_token: BotToken | None = field(default=None, repr=False)
    app_token: AppToken | None = field(default=None, repr=False)
    signing_secret: Secret | None = field(default=None, repr=False)
    http: SlackHttpConfig = SlackHttpConfig()
    api_base_url: BaseUrl = "https://slack.com/api/"
    """Ends with a slash."""
    file_hosts: frozenset[Host] = FILE_HOSTS
    """In lower case; from no other host is a file fetched, and no other is shown the token."""
    file_limit_bytes: FileLimitBytes = 20_000_000
    """The largest file that is kept; 0 keeps none."""
    catch_up_hours: CatchUpHours = 24.0
    """0 reads nothing back."""
    ping_interval_s: Annotated[float, Between(1, 300)] = 10.0
    streams: bool = True
    assistant: SlackAssistantConfig = SlackAssistantConfig()
    oauth: SlackOAuthConfig | None = None


def check_slack(slack: Mapping, faults: Faults) -> None:
    """Add a fault for each pair of keys that does not go together, and for each key that lacks another.

    A key with a fault of its own counts as given.
    """
    entries = slack.entries
    given = {key for key, entry in entries.items() if _is_given(key, entry.node)}
    missing = partial(faults.add, slack.line)

    def surplus(key: str, fact: str, hint: str) -> None:
        faults.add(entries[key].line, fact, hint)

    if not given & {"app_token", "signing_secret"}:
        fact = "adapters.slack needs app_token (Socket Mode) or signing_secret (HTTP)."
        missing(fact, "Add app_token; Slack then need not reach this computer.")
    elif {"app_token", "signing_secret"} <= given:
        fact = "adapters.slack has app_token (Socket Mode) and signing_secret (HTTP)."
        surplus("signing_secret", fact, "Remove signing_secret for Socket Mode, or app_token for HTTP.")
    if not given & {"bot_token", "oauth"}:
        missing("adapters.slack needs bot_token, or oauth.", "Add bot_token; oauth is for several workspaces.")
    elif {"bot_token", "oauth"} <= given:
        fact = "adapters.slack has bot_token and oauth, which gives each workspace its own."
        surplus("bot_token", fact, "Remove bot_token for several workspaces, or oauth for one.")
    if {"app_token", "oauth"} <= given and "http" not in given:
        fact = "adapters.slack.oauth needs adapters.slack.http, where its pages are served."
        surplus("oauth", fact, "Add `http: {port: 3000}` under adapters.slack.")


def _is_given(key: str, node: Node) -> bool:
    if not isinstance(node, Scalar):
        return True
    if node.value is None:
        return key in ("http", "oauth")  # a section without keys
    return not is_empty_variable(node)
