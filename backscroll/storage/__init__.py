"""What is kept: the models, the store, the contract of a provider, and the providers. Knows no platform and no bot."""
