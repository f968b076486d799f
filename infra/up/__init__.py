"""`waybill up`: everything on one machine."""
