"""The state database: one repository per noun, and its migrations."""
