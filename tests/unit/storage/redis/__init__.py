"""Redis' own: what the contract does not tell of."""
