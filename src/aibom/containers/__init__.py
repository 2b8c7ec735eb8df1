"""Files whose members are files, opened in place and never extracted to disk."""
