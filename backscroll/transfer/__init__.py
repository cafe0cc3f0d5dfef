"""Moving what is kept: JSONL files, copies between databases, Slack's own export, pages to read."""
