"""One effect per file in `handlers/`; the rest sees to it that each happens once per event, and in order."""
