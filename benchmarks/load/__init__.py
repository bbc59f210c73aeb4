"""What being operated costs: metrics, keys and JSON logs beside none of them; and ten minutes of it."""
