"""Rules and terms applied to evidence, a module a subject; `assessing` applies them all."""
