"""What a test may turn on the fake, at the start or while it runs."""

from dataclasses import dataclass


@dataclass(eq=False, kw_only=True)
class Switches:
    """How this Slack behaves. Each one is an argument of FakeSlack and an attribute of it.

    Args:
        port: where to listen on 127.0.0.1; 0 takes a free one.
        request_url: where the app listens for HTTP requests; None delivers by Socket Mode.
        retry_after_s: an event that is not acked within this time comes again.
        retry_delays: seconds before each repeat, counted from when the one before was given up.
        new_envelope_per_retry: whether a repeat over Socket Mode has an envelope_id of its own.
        to_all_sockets: whether every open socket gets each event, instead of one of them in turn.
        ping_interval_s: how often a socket is pinged.
        echo: whether the app's own posts, updates and reactions come back as events.
        echo_metadata: whether these events carry the message's metadata.
        allow_streams: whether chat.startStream works; else it answers `stream_refusal`.
        stream_ttl_s: a stream ends by itself after this time.
        non_marketplace: whether history and replies give 15 objects at most, once a minute each.
        share_delay_s: how long after files.completeUploadExternal the file's message appears.
        latency_s: what every Web API call takes at least.
        clock_shift_s: what to add to the real clock for every ts and event_time.
    """

    port: int = 0
    request_url: str | None = None
    retry_after_s: float = 3.0
    retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
    new_envelope_per_retry: bool = True
    to_all_sockets: bool = False
    ping_interval_s: float = 10.0
    echo: bool = True
    echo_metadata: bool = False
    allow_streams: bool = True
    stream_refusal: str = "method_not_supported_for_channel_type"
    stream_ttl_s: float = 300.0
    non_marketplace: bool = False
    share_delay_s: float = 0.02
    latency_s: float = 0.0
    clock_shift_s: float = 0.0
