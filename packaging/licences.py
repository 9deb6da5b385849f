"""Prints the licence of every crate in the binary, with its notices and where its source is. Argument: the target's triple."""

import json
import pathlib
import subprocess
import sys

NOTICES = ("licen", "copying", "notice", "copyright")

metadata = json.loads(subprocess.run(
    ["cargo", "metadata", "--locked", "--format-version", "1", "--features", "systemd", "--filter-platform", sys.argv[1]],
    check=True, capture_output=True, text=True,
).stdout)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

# What is linked: normal dependencies, followed from the package.
linked, waiting = set(), [metadata["resolve"]["root"]]
while waiting:
    at = waiting.pop()
    for dependency in nodes[at]["deps"]:
        normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
        if normal and dependency["pkg"] not in linked:
            linked.add(dependency["pkg"])
            waiting.append(dependency["pkg"])

print("Tidemill is made with the following crates. Each is linked in unchanged.")
for package in sorted((packages[id] for id in linked), key=lambda package: (package["name"], package["version"])):
    name, version = package["name"], package["version"]
    print(f"\n{'=' * 100}\n{name} {version}: {package['license'] or 'see below'}")
    print(f"source: https://crates.io/crates/{name}/{version}  {package['repository'] or ''}")
    directory = pathlib.Path(package["manifest_path"]).parent
    for notice in sorted(directory.iterdir()):
        if notice.is_file() and notice.name.lower().startswith(NOTICES):
            print(f"\n--- {notice.name}\n\n{notice.read_text(errors='replace').rstrip()}")
