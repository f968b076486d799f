"""Whether everything that Waybill stands on is as it should be, and what to do where it is not."""
