"""A stand-in for Slack at the wire, made of what a workspace is, what happens in it, and how that travels."""
