"""Triton beside the programs that a user could pick instead: same machine, same run, same threads, same shapes."""
