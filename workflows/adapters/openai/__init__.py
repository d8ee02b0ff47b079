"""Servers that speak OpenAI's HTTP interface: chat completions and embeddings."""
