"""Rules over facts: pure functions of data."""
