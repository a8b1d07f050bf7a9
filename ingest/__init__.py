"""The program that takes messages from the broker to storage, rules and actions."""
