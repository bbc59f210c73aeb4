"""What every service has, whichever APIs it speaks: an index, its health, metrics, its webhook."""
