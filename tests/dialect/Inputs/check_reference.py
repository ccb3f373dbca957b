"""Checks of the dialect's generated reference, docs/dialect/ternary.md.

  check_reference.py fresh SOURCE         the page is what TableGen gives now
  check_reference.py write SOURCE         writes it
  check_reference.py complete SOURCE      every operation is in the round-trip test, every constraint has a failing case
  check_reference.py examples SOURCE DIR  every example parses: writes DIR/examples.mlir, each example in a function
"""
import glob
import os
import re
import shutil
import subprocess
import sys


def generated(source):
    tool = shutil.which("mlir-tblgen")
    headers = os.path.join(os.path.dirname(os.path.realpath(tool)), "..", "include")
    dialect = os.path.join(source, "dialect", "include")
    command = [tool, "-gen-dialect-doc", "-dialect=ternary", "-I", dialect, "-I", headers,
               os.path.join(dialect, "ternary", "TernaryOps.td")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def page_path(source):
    return os.path.join(source, "docs", "dialect", "ternary.md")


def operations(source):
    """Name and section of every operation."""
    with open(page_path(source), encoding="utf-8") as file:
        text = file.read().split("## Operations")[1]
    for section in text.split("\n### `ternary.")[1:]:
        yield section.split("`")[0], section.split("\nTraits:")[0]


def labels(name, section):
    """The labels of a section's constraints: `(C1)`, also as `(C1) to (C3)`."""
    numbers = set()
    for first, last in re.findall(r"\(C(\d+)\)(?: to \(C(\d+)\))?", section):
        numbers.update(range(int(first), int(last or first) + 1))
    return [f"{name}_c{number}" for number in sorted(numbers)]


def fresh(source):
    with open(page_path(source), encoding="utf-8") as file:
        if file.read() != generated(source):
            sys.exit("docs/dialect/ternary.md is stale: run tests/dialect/Inputs/check_reference.py write <source folder>")


def write(source):
    with open(page_path(source), "w", encoding="utf-8") as file:
        file.write(generated(source))


def complete(source):
    here = os.path.join(source, "tests", "dialect")
    with open(os.path.join(here, "round-trip.mlir"), encoding="utf-8") as file:
        round_trip = file.read()
    failing = ""
    for path in glob.glob(os.path.join(here, "invalid-*.mlir")):
        with open(path, encoding="utf-8") as file:
            failing += file.read()
    missing, count = [], 0
    for name, section in operations(source):
        count += 1
        if not re.search(rf"= ternary\.{name} ", round_trip):
            missing.append(f"ternary.{name} is not in round-trip.mlir")
        for label in labels(name, section):
            if "{{" + label + ":" not in failing:
                missing.append(f"{label} has no failing case")
    if count < 50:
        missing.append(f"only {count} operations found: the page is not read right")
    if missing:
        sys.exit("\n".join(missing))


def split_types(text):
    """Types at the top level of a comma-separated list."""
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "<("
        depth -= c in ">)" and text[i - 1] != "-"
        if c == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
    return [part for part in parts + [text[begin:].strip()] if part]


def examples(source, folder):
    functions = []
    for name, section in operations(source):
        found = re.search(r"Example: `(.*?)`", section, re.S)
        if not found:
            sys.exit(f"ternary.{name} has no example")
        line = " ".join(found.group(1).split())
        # The last ` : ` that opens the list of types; attributes before it have some of their own.
        at = line.rfind(" : (") if " : (" in line else line.rfind(" : ")
        head, types = line[:at], line[at + 3:]
        operands = []
        for operand in re.findall(r"%\w+", head.split("=", 1)[1]):
            if operand not in operands:
                operands.append(operand)
        given = types.split(" -> ")[0].strip()
        listed = split_types(given[1:-1] if given.startswith("(") else given)
        if len(listed) == 1:
            listed *= len(operands)
        if len(listed) != len(operands):
            sys.exit(f"ternary.{name}: the example names {operands} but gives {listed}")
        arguments = ", ".join(f"{o}: {t}" for o, t in zip(operands, listed))
        functions.append(f"func.func @{name}({arguments}) {{\n  {line}\n  return\n}}\n")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "examples.mlir"), "w", encoding="utf-8") as file:
        file.write("\n".join(functions))


if __name__ == "__main__":
    {"fresh": fresh, "write": write, "complete": complete, "examples": examples}[sys.argv[1]](*sys.argv[2:])
