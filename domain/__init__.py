"""What Waybill is about: aggregates, their events and errors, commands and queries. No I/O of its own."""
