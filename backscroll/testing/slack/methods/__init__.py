"""The Web API methods, by their Slack names. A method that is not here answers `unknown_method`."""

from backscroll.testing.slack.methods import assistant, chat, conversations, people, reactions, streams, uploads
from backscroll.testing.slack.methods.call import ApiError, Call, Desk, Method

__all__ = ["METHODS", "ApiError", "Call", "Desk", "Method"]

METHODS: dict[str, Method] = {
    **assistant.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **people.METHODS,
    **reactions.METHODS,
    **streams.METHODS,
    **uploads.METHODS,
}
