"""Tables and rulebooks that ship with the tool, and their strict loaders."""
