"""The built-in rules, one file each: a module here with a constant `RULE` is a rule."""
