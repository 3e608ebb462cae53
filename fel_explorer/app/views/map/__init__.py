"""The free-energy landscape."""
