"""The REST routes, by method and path. A path that is not here answers 404."""

from backscroll.testing.discord.routes import attachments, channels, interactions, messages, people
from backscroll.testing.discord.routes.call import ApiError, Call, Desk, Route, Upload

__all__ = ["ROUTES", "ApiError", "Call", "Desk", "Route", "Upload"]

ROUTES: dict[tuple[str, str], Route] = {
    **people.ROUTES,
    **channels.ROUTES,
    **messages.ROUTES,
    **interactions.ROUTES,
    **attachments.ROUTES,
}
