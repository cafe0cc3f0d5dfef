"""What a test may turn on the fake, at the start or while it runs."""

from dataclasses import dataclass


@dataclass(eq=False, kw_only=True)
class Switches:
    """How this Discord behaves. Each one is an argument of FakeDiscord and an attribute of it.

    Args:
        port: where to listen on 127.0.0.1; 0 takes a free one.
        message_content_allowed: whether the portal grants the message content intent. Without it asking for the intent
            closes the gateway with 4014, and texts are empty, live and in the history, except in direct messages, the
            bot's own, and those that mention the bot.
        members_allowed: whether the portal grants the members intent.
        presences_allowed: whether the portal grants the presence intent.
        heartbeat_interval_ms: what HELLO tells clients.
        shards: how many shards /gateway/bot recommends.
        sharding_required: whether an IDENTIFY without a shard closes with 4011.
        nonce_window_s: how long an enforced nonce brings back the first message instead of a second one.
        interaction_deadline_s: how long an interaction waits for its first answer.
        interaction_ttl_s: how long its token works after that.
        attachment_limit_bytes: the largest file that the bot may send.
        attachment_ttl_s: how long the address of a file works.
        latency_s: what every REST call takes at least.
        clock_shift_s: what to add to the real clock for every id and timestamp.
    """

    port: int = 0
    message_content_allowed: bool = True
    members_allowed: bool = True
    presences_allowed: bool = True
    heartbeat_interval_ms: int = 41_250
    shards: int = 1
    sharding_required: bool = False
    nonce_window_s: float = 120.0
    interaction_deadline_s: float = 3.0
    interaction_ttl_s: float = 900.0
    attachment_limit_bytes: int = 10 * 1024 * 1024
    attachment_ttl_s: float = 86_400.0
    latency_s: float = 0.0
    clock_shift_s: float = 0.0
