#!/usr/bin/env python3
"""Checks that a program does not link what it loads only when a command uses it: each of these takes time at every start.

Usage: startup.py OBJDUMP PROGRAM
"""
import re
import subprocess
import sys

LATER = ("curl", "hiredis", "ssl", "crypto")

text = subprocess.run([sys.argv[1], "-p", sys.argv[2]], capture_output=True, text=True, check=True).stdout
needed = re.findall(r"NEEDED\s+(\S+)", text)
wrong = [name for name in needed if any(name.startswith(f"lib{later}") for later in LATER)]
print(f"{len(needed)} libraries at start{': must be loaded later: ' + ', '.join(wrong) if wrong else ''}")
sys.exit(1 if wrong or not needed else 0)
