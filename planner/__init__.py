"""The program that makes plans: claims what waits in the state database, one child process each."""
