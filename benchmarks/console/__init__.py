"""How long the console's page takes from a key press to the answer that is seen."""
