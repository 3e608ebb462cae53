"""The explorer: its layout, header, commands, keys, help and tour."""
