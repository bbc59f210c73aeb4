"""The engine beside the official SDK: decisions, payloads, compiling, growth."""
