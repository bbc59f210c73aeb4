"""How many `GET /bucketer` one core answers: ours, the official SDKs behind servers, and nginx."""
