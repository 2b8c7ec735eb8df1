"""What the files of a target say together, a module a subject; `resolving` asks them all."""
