"""The running app: configuration, the conversation manager, answering, the command line."""
