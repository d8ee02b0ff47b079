"""Servers with OpenAI's HTTP API: chat completions and embeddings."""
