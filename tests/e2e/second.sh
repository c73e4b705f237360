#!/bin/bash
# The second implementation of the protocol, in Python, from vfs-protocol(5)
# alone: the page has what the tables have, each vector is read the same way.
cd "$(dirname "$0")/../second" || exit 1
export PYTHONDONTWRITEBYTECODE=1
python3 page.py && python3 vectors.py
