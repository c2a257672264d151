"""Bad input at scale: generated requests, each held to what a small model of the contract says it is owed."""
