"""Where targets live: each module opens one kind of place."""
