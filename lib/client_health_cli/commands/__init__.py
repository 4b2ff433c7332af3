"""The subcommands, one module each; the function `register` of a module adds its command."""
