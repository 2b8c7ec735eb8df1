"""Our scanner and four others over the same files: `python -m tools.peers` writes docs/peers.md."""
