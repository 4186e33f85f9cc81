"""Import paths that published notebooks use; nothing lives here."""
