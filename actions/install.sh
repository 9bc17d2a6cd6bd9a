#!/usr/bin/env bash
# Finds a Python that is new enough and hands over to it: everything else is in install.py.
set -u
for python in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$python" -I "${BASH_SOURCE%.sh}.py"
  fi
done
echo '::error title=image-gate::Python 3.11 or newer is needed; add actions/setup-python before this step'
exit 3
