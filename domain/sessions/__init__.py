"""Who is logged in, from where, and until when."""
