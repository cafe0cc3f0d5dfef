"""What other frameworks' agents keep, kept here: each integration is a module of its own, and needs its extra.

They know the storage and no bot. Proved by `tests/integrations/`.
"""
