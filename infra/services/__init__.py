"""The real services that `waybill up` and the tests run as child processes: one file each."""
