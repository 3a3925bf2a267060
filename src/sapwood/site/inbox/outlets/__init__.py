"""Where approved items go. An outlet is a function marked with `@outlet` that takes what the gate cleared."""
