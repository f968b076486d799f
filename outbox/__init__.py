"""The event log and who has handled what: every promise of Waybill is kept here."""
