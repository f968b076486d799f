"""What the clock says is due."""
