"""Child processes: started by readiness, restarted when they crash, ended with their parent however it ends."""
