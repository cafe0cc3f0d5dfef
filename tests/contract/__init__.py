"""Every promise of the contract, one claim a test, on every provider."""
