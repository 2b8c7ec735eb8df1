"""What one file says about itself, a module a format."""
