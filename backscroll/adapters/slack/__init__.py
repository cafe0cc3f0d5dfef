"""Slack, through slack-bolt: `SlackAdapter`.

translate, mrkdwn, timestamps, files are pure. What comes in: listening → receiving → translate → the inbox. What goes
out: sending, streams, approvals, whose buttons come back by receiving. What is read back: history, downloads, names.
workspaces and installations say who we are where.
"""

from backscroll.adapters.slack.app import SlackAdapter

__all__ = ["SlackAdapter"]
