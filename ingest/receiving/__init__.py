"""The receiving process: messages from the broker, light at once, acknowledgements."""
