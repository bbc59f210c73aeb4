"""What every service has, whichever APIs it speaks: an index, its health, its webhook."""
