"""`waybill demo`: the main job, done over HTTP as any client would, and every promise about it looked at."""
