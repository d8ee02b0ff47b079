"""CloudEvents 1.0: the codec, strict JSON, and the attributes that link events."""
