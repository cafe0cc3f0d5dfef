"""Stand-ins for the platforms, to which the real libraries connect: for the tests of bots, yours and ours."""

from backscroll.testing.slack.fake import FakeSlack
from backscroll.testing.slack.faults import Fault

__all__ = ["FakeSlack", "Fault"]
