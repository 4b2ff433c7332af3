"""The subcommands, a module each; every module has `register`, which adds its command."""
