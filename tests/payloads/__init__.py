"""Payloads of the platforms, each with where its shape comes from."""
