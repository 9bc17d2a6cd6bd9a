"""Starting to use the gate: what a repository shows of itself, and the first files for it."""
