"""Links to a file for people without an account: until when, how often, with what password, and for whom."""
