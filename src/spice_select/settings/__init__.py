"""How settings are declared: groups that feed Python, the command line and YAML alike, and tables of named choices."""
